"""A scheduler that does not answer is asked again, for a while; a refusal is not."""

from pathlib import Path

import pytest

from hpc_ml.errors import NoCluster, SubmissionRefused
from hpc_ml.schedulers import patience
from hpc_ml.schedulers.patience import PatientScheduler
from hpc_ml.schedulers.slurm import Slurm
from tests.golden.plans import shipped_profile
from tests.unit.fake_commands import FakeCommands

BUSY = "echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1"


class Asked:
    """A patient scheduler over fake commands, and what it told."""

    def __init__(self, commands: FakeCommands, folder: Path, patience_s: float = 60.0) -> None:
        self.commands = commands
        self.told: list[str] = []
        self.script = folder / "20261121-180000-abcdef" / "worker.sh"
        self.script.parent.mkdir()
        slurm = Slurm(shipped_profile("slurm"))
        self.patient = PatientScheduler(slurm, self.told.append, patience_s=patience_s)
        self._marks = folder

    def answer_after(self, times: int, command: str, body: str) -> None:
        """Have a command time out so many times, and then answer."""
        mark = self._marks / command
        self.commands.add(
            command,
            f"echo x >>{mark}; [ $(wc -l <{mark}) -gt {times} ] || {{ {BUSY}; }}; {body}",
        )

    def count(self, command: str) -> int:
        return sum(call[0] == command for call in self.commands.calls())


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(patience, "_SETTLING_S", 0.001)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    return FakeCommands(tmp_path / "bin", monkeypatch)


@pytest.fixture
def asked(commands: FakeCommands, tmp_path: Path) -> Asked:
    return Asked(commands, tmp_path)


@pytest.mark.parametrize("verb", ["validate", "cancel", "find", "poll"])
def test_what_is_not_answered_is_asked_again_and_told_once(asked: Asked, verb: str) -> None:
    for command in ("sbatch", "scancel", "squeue"):
        asked.answer_after(3, command, "echo '7|RUNNING|n1|None'")
    words = {"validate": asked.script, "cancel": ["7"], "find": "hpcml-x", "poll": ["7"]}
    getattr(asked.patient, verb)(words[verb])
    assert len(asked.commands.calls()) == 4
    stopped, over = asked.told
    assert "Socket timed out" in stopped
    assert "answers again" in over


def test_a_submission_that_was_taken_without_an_answer_is_not_repeated(asked: Asked) -> None:
    asked.commands.add("sbatch", BUSY)
    asked.answer_after(1, "squeue", "echo 5; echo 7; echo 9")
    assert asked.patient.submit(asked.script, known=lambda: ["5;east", "9"]) == "7"
    assert asked.count("sbatch") == 1
    assert asked.commands.calls()[-1][:5] == ["squeue", "-h", "--me", "-n", "hpcml-abcdef"]


def test_a_submission_that_was_not_taken_is_repeated(asked: Asked) -> None:
    asked.answer_after(2, "sbatch", "echo 11")
    asked.commands.add("squeue", "echo 5")
    assert asked.patient.submit(asked.script, known=lambda: ["5"]) == "11"
    assert asked.count("sbatch") == 3


def test_a_refusal_is_not_repeated(asked: Asked) -> None:
    asked.commands.add("sbatch", "echo 'sbatch: error: invalid partition specified: x' >&2; exit 1")
    with pytest.raises(SubmissionRefused, match="invalid partition"):
        asked.patient.submit(asked.script)
    assert asked.count("sbatch") == 1
    assert asked.told == []


def test_patience_ends_and_says_how_long_it_lasted(commands: FakeCommands, tmp_path: Path) -> None:
    asked = Asked(commands, tmp_path, patience_s=0.3)
    commands.add("scancel", BUSY)
    with pytest.raises(NoCluster, match=r"Socket timed out.*asked again for 0 s") as gave_up:
        asked.patient.cancel(["7"])
    assert gave_up.value.exit_code == 3
    assert len(asked.told) == 1
    assert len(commands.calls()) > 1
