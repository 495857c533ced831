"""Site profiles: which one is taken, and what is wrong with it."""

from pathlib import Path

import pytest

from hpc_ml.errors import BadSite, SchedulerMissing
from hpc_ml.sites.flavour import read_flavour
from hpc_ml.sites.loading import choose_profile, load_profile, names
from tests.golden.plans import SITES, make_plan
from tests.unit.fake_commands import FakeCommands

RECORDED = Path(__file__).parent.parent / "recorded" / "openpbs-23.06"
SLURMS_ANSWER = "Unknown option: version\nUsage:\n    qstat [-f] [-a|-i|-r] [-n [-1]]\n"


@pytest.fixture
def user_sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own profiles."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "hpc-ml" / "sites"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("site", SITES)
def test_every_shipped_profile_can_be_used_as_it_is(user_sites: Path, site: str) -> None:
    profile = load_profile(site)
    assert profile.name == site
    resources = make_plan(site).job.resources
    assert resources.workers is not None
    assert resources.cores > 0
    assert (resources.memory is None) == (profile.memory_style == "none")


def test_the_sites_of_the_documents_are_shipped(user_sites: Path) -> None:
    known = {"gadi", "casper", "polaris", "perlmutter", "lumi", "archer2", "stampede3"}
    assert known | {"slurm", "pbs", "torque"} <= set(names())
    assert names() == SITES


def test_the_users_own_profile_wins(user_sites: Path) -> None:
    (user_sites / "gadi.yaml").write_text("description: mine\nscheduler: slurm\n")
    (user_sites / "ours.yaml").write_text("description: ours\nscheduler: pbs\n")
    assert load_profile("gadi").description == "mine"
    assert load_profile("ours").scheduler == "pbs"
    assert names() == sorted([*SITES, "ours"])


@pytest.mark.parametrize("name", ["here.yaml", "here.yml"])
def test_a_path_is_read_directly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_text("description: here\nscheduler: torque\n")
    monkeypatch.chdir(tmp_path)
    assert load_profile(name).name == "here"
    assert load_profile(str(tmp_path / name)) == load_profile(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_profile(f"~/{name}") == load_profile(name)


def test_an_unknown_site_is_told_with_a_near_miss(user_sites: Path) -> None:
    with pytest.raises(BadSite) as unknown:
        load_profile("gadii")
    assert str(unknown.value).startswith(
        "there is no site profile 'gadii'; did you mean 'gadi'? known: archer2, aurora"
    )


@pytest.mark.parametrize("name", ["../gadi", "", ".", "sub/gadi"])
def test_a_name_is_no_path(user_sites: Path, name: str) -> None:
    with pytest.raises(BadSite, match="there is no site profile"):
        load_profile(name)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("scheduler: slurm\n", None, "description"),
        ("description: d\nscheduler: sge\n", 2, "slurm"),
        ("description: d\nscheduler: slurm\nmemorystyle: mem\n", 3, "memorystyle"),
        ("description: d\nscheduler: pbs\nmemory_style: mem-per-cpu\n", 3, "does not fit pbs"),
        ("description: d\nscheduler: slurm\ngpu_style: ngpus\n", 3, "does not fit slurm"),
        ("description: d\nscheduler: slurm\naccount_flag: -P\n", 3, "does not fit slurm"),
        ("description: d\nscheduler: torque\nqueue_flag: --qos\n", 3, "does not fit torque"),
        ("description: d\nscheduler: slurm\ngpu_style: queue\n", 3, "needs gpus_per_node"),
        (
            "description: d\nscheduler: slurm\nqueues:\n  q: {minimum_nodes: 0}\n",
            3,
            "minimum_nodes",
        ),
        ('description: d\nscheduler: slurm\ndirectives: ["-l x; rm -rf /"]\n', 3, "directive"),
        ("description: d\nscheduler: slurm\ninterface: hsn0 hsn1\n", 3, "hsn0 hsn1"),
        ("description: [\n", 2, ""),
        ("just words\n", None, ""),
    ],
)
def test_a_bad_profile_is_told_with_its_line(
    tmp_path: Path, text: str, line: int | None, words: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(BadSite) as bad:
        load_profile(str(path))
    assert words in str(bad.value)
    assert str(bad.value).startswith(f"{path}:{line}: " if line else str(path))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadSite, match="there is no such file"):
        load_profile(str(tmp_path / "no.yaml"))


@pytest.mark.parametrize(("on", "site"), [("slurm", "gadi"), ("pbs", "lumi"), ("slurm", "torque")])
def test_a_site_of_another_scheduler_is_refused(user_sites: Path, on: str, site: str) -> None:
    with pytest.raises(BadSite, match=f"--on {on} was asked; use --on"):
        choose_profile(on, site)


@pytest.mark.parametrize(("on", "site"), [("slurm", "lumi"), ("pbs", "gadi"), ("pbs", "torque")])
def test_a_site_of_the_right_scheduler_is_taken(user_sites: Path, on: str, site: str) -> None:
    assert choose_profile(on, site).name == site


def test_without_a_site_slurm_is_the_generic_one(user_sites: Path) -> None:
    assert choose_profile("slurm", None).name == "slurm"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("echo pbs_version = 23.06.06", "pbs"),
        ("echo Version: 6.1.2 >&2", "torque"),
        (f"echo '{SLURMS_ANSWER}' >&2; exit 2", "torque"),
    ],
)
def test_without_a_site_pbs_is_of_the_installed_flavour(
    user_sites: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, name: str
) -> None:
    FakeCommands(tmp_path / "bin", monkeypatch).add("qstat", answer)
    assert choose_profile("pbs", None).name == name


def test_without_any_pbs_the_missing_command_is_told(
    user_sites: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeCommands(tmp_path / "bin", monkeypatch)
    with pytest.raises(SchedulerMissing, match="qstat is not on this host"):
        choose_profile("pbs", None)


def test_the_flavour_is_read_from_what_qstat_says() -> None:
    assert read_flavour((RECORDED / "version.txt").read_text()) == "pbs"
    assert read_flavour("Version: 6.1.2\nCommit: 661e092552de43a785c15d39a3634a541d86898e") == (
        "torque"
    )
    assert read_flavour(SLURMS_ANSWER) == "torque-over-slurm"


@pytest.mark.parametrize("answer", ["", "qstat: illegal option", "cannot connect to server"])
def test_a_flavour_that_cannot_be_read_is_told_with_the_next_step(answer: str) -> None:
    with pytest.raises(BadSite, match="--site pbs or --site torque"):
        read_flavour(answer)
