"""What a job can be told, right and wrong, and what somebody might hide in it."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from hpc_ml.spec.allowed import choices, variants
from hpc_ml.spec.keys import Key, all_keys
from hpc_ml.tasks import registry

# Whatever carries this out has left a file of that name.
CANARY = "canary"
HOSTILE = (
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    f"; touch {CANARY};",
    f"x\ntouch {CANARY}\n",
    f"x\r\n#SBATCH --wrap='touch {CANARY}'",
    f"' ; touch {CANARY} ; '",
    f'" ; touch {CANARY} ; "',
    f"x && touch {CANARY}",
    f"| touch {CANARY}",
    f"$(touch${{IFS}}{CANARY})",
    f"{{{{ cycler.__init__.__globals__.os.system('touch {CANARY}') }}}}",
    f"!!python/object/apply:os.system ['touch {CANARY}']",
    f"__import__('os').system('touch {CANARY}')",
    f"make_blobs(n_samples=__import__('os').system('touch {CANARY}'))",
    "subprocess.Popen",
    "os.system",
    "%j%x%n",
    "--wrap=x",
    "-",
    "",
    " ",
    "~",
    "~nosuch/x",
    "~nosuch/x.yaml",
    "*",
    "../../..",
    "/dev/zero",
    "/proc/self/mem",
    "a" * 3000,
    "a" * 3000 + ".yaml",
    "nan",
    ".inf",
    "-1",
    "1e999",
    "9" * 400,
    "0x10",
    "null",
    "[",
    "{a: ",
    "&a [*a]",
    "\x1b[31m",
    "é\u202e\u0000",
    "\udcff",
)

# Words that some keys take, so that a good part of the jobs is right.
_GOOD: Mapping[str, tuple[Any, ...]] = {
    "data.target": ("label", "n"),
    "data.columns": (["n"], ["n", "c"]),
    "data.drop": (["c"],),
    "data.missing": ("drop", "error"),
    "data.test_size": (0, 0.25, 0.5),
    "on": ("local", "slurm", "pbs"),
    "site": ("slurm", "pbs", "torque", "gadi", "lumi", "perlmutter"),
    "resources.memory": ("2 GiB", "512MiB", 4),
    "resources.walltime": ("1h", "90", "1-00:00:00"),
    "resources.wait": ("5m",),
    "resources.queue": ("main", "gpu@server"),
    "resources.account": ("ab12",),
    "resources.directives": (["--exclusive"], ["-l place=excl"]),
    "resources.python": ("/bin/true",),
    "controller.walltime": ("2h",),
    "controller.memory": ("4 GiB",),
    "name": ("first",),
    "estimator": ("SVC", "LogisticRegression", "SGDClassifier", ["StandardScaler", "SVC"]),
    "grid": ({"C": [0.1, 1]}, {"svc__C": [1, 2]}),
    "params": ({"C": 2.0}, {"n_clusters": 3}, {"max_iter": 5}),
    "k": ("2:4", 3),
    "scoring": ("accuracy", "r2"),
}

scalars = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def keys_of_task(task: str) -> tuple[Key, ...]:
    """Return the keys of a task's jobs that a value can be given."""
    return tuple(key for key in all_keys(registry.settings_class(task)) if key.form != "source")


def values_of(key: Key) -> st.SearchStrategy[Any]:
    """Return values that a key may take, mostly, and values that it never takes."""
    good: list[Any] = [*_GOOD.get(key.dotted, ()), *choices(key.schema)]
    kinds = {variant.get("type") for variant in variants(key.schema)}
    if "integer" in kinds:
        good += [1, 2, 3]
    if "number" in kinds:
        good += [0.5, 0.01, 10]
    if "boolean" in kinds:
        good += [True, False]
    if key.default is not None:
        good.append(key.default)
    if not good:
        return anything
    right = st.sampled_from(good)
    return st.one_of(right, right, right, anything)


@st.composite
def assignments(draw: st.DrawFn, task: str) -> list[tuple[Key, Any]]:
    """Draw some keys of a task's job, each with a value."""
    one = st.sampled_from(keys_of_task(task))
    keys = draw(st.lists(one, max_size=6, unique_by=lambda key: key.path))
    return [(key, draw(values_of(key))) for key in keys]
