"""Words that a shell or a scheduler would read are quoted or refused; none is ever executed."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from hpc_ml.errors import BadJob
from hpc_ml.schedulers.scripts import controller_script, worker_script
from hpc_ml.spec.job import Job
from hpc_ml.spec.resources import Resources
from tests.golden.plans import NoSettings, make_plan

PLAYER = "#!/bin/bash\necho played >>{played}\n"
NASTY = [
    "$(touch CANARY)",
    "`touch CANARY`",
    "; touch CANARY ;",
    "' ; touch CANARY ; '",
    '" ; touch CANARY ; "',
    "\\",
    "a\ntouch CANARY\n#",
    "\n#SBATCH --wrap=x\n#PBS -o x\ntouch CANARY\n",
    "a\rtouch CANARY\r",
    "&& touch CANARY",
    "| touch CANARY",
    "> CANARY",
    "${IFS}touch${IFS}CANARY",
    "{{ 7 * 7 }}{% raw %}",
    "%j%x%%",
    "#",
    "!!",
    "~",
    "*",
    "-rf",
    "--",
    "é日本",
    " leading and trailing ",
]


@pytest.mark.parametrize("site", ["slurm", "pbs", "torque"])
@pytest.mark.parametrize(
    ("where", "word"),
    [("folder", word) for word in NASTY]
    + [("python", word) for word in NASTY if "\n" not in word and "\r" not in word],
)
def test_paths_are_quoted_or_refused(tmp_path: Path, site: str, word: str, where: str) -> None:
    canary = tmp_path / "CANARY"
    folder = tmp_path / (word.replace("CANARY", "x") if where == "folder" else "run")
    folder.mkdir(exist_ok=True)
    player = tmp_path / (f"p{word}" if where == "python" else "python")
    player.parent.mkdir(parents=True, exist_ok=True)
    player.write_text(PLAYER.format(played=tmp_path / "played"))
    player.chmod(0o755)
    plan = replace(make_plan(site), run_dir=folder, python=str(player))
    (folder / "logs").mkdir()
    try:
        scripts = [worker_script(plan), controller_script(plan)]
    except BadJob as refusal:
        assert where == "folder"
        assert "has characters that" in str(refusal)
        return
    for script in scripts:
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60,
            env={"PATH": os.environ["PATH"], "SLURM_JOB_ID": "7", "PBS_JOBID": "7.head"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "played").read_text() == "played\n" * 2
    assert not canary.exists()
    directives = [line for line in scripts[0].splitlines() if line.startswith(("#SBATCH", "#PBS"))]
    expected = worker_script(make_plan(site)).splitlines()
    assert len(directives) == sum(line.startswith(("#SBATCH", "#PBS")) for line in expected)


@pytest.mark.parametrize("word", NASTY)
@pytest.mark.parametrize("key", ["queue", "account"])
def test_names_of_the_scheduler_are_refused_by_their_form(key: str, word: str) -> None:
    with pytest.raises(ValidationError):
        Resources(**{key: word})


@pytest.mark.parametrize("word", [word for word in NASTY if set(word) & set("$`;<>\n\r\\{#!")])
def test_directives_hold_nothing_that_a_shell_reads_beyond_a_constraint(word: str) -> None:
    with pytest.raises(ValidationError):
        Resources(directives=(f"--constraint={word}",))


@pytest.mark.parametrize("word", [word for word in NASTY if "\n" in word or "\r" in word])
def test_a_path_is_one_line(word: str) -> None:
    with pytest.raises(ValidationError):
        Resources(python=word)


@pytest.mark.parametrize("word", NASTY)
def test_the_name_of_a_run_is_refused_by_its_form(word: str) -> None:
    with pytest.raises(ValidationError):
        Job[NoSettings](task="gridsearch", name=word, settings={})
