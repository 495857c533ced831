"""What PBS Pro, Torque and Slurm's own qstat answer, and the words made of it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc_ml.errors import NoCluster, SubmissionRefused
from hpc_ml.schedulers.base import JobReport, JobState, SchedulerBusy
from hpc_ml.schedulers.commands import Answer
from hpc_ml.schedulers.pbs import PbsPro
from hpc_ml.schedulers.pbs_answers import find_facts, parse_qstat, parse_submission
from hpc_ml.schedulers.pbs_words import PBS_PRO_ENDS, TORQUE_ENDS, describe
from hpc_ml.schedulers.refusals import PBS_ADVICE, advise, is_transient, quote
from hpc_ml.schedulers.torque import Torque
from tests.golden.plans import shipped_profile
from tests.unit.fake_commands import FakeCommands

RECORDED = Path(__file__).parent.parent / "recorded" / "openpbs-23.06"
IDS = dict(reversed(line.split()) for line in (RECORDED / "ids.txt").read_text().splitlines())


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    return FakeCommands(tmp_path / "bin", monkeypatch)


def recorded(fate: str) -> str:
    return (RECORDED / f"{fate}.full.txt").read_text()


def report(fate: str) -> JobReport:
    return describe(IDS[fate], parse_qstat(recorded(fate)).get(IDS[fate]), PBS_PRO_ENDS)


FATES = {
    "ok": (JobState.COMPLETED, 0, "ended by itself"),
    "bad": (JobState.FAILED, 3, "failed with exit code 3"),
    "running": (JobState.RUNNING, None, "runs"),
    "impossible": (
        JobState.PENDING,
        None,
        "can never run: Insufficient amount of resource: ncpus (R: 99 A: 8 T: 8)",
    ),
    "parked": (JobState.PENDING, None, "waits: Queue not started"),
    "held": (JobState.PENDING, None, "is held by you; release it with qrls"),
    "overtime": (JobState.TIMEOUT, None, "reached its walltime"),
    "deleted": (JobState.CANCELLED, None, "was cancelled by user@localhost"),
    "segv": (JobState.FAILED, 139, "was killed by SIGSEGV"),
    "nocmd": (
        JobState.FAILED,
        127,
        "ended with exit code 127: its command was not found: do the compute nodes see the "
        "Python of the job?",
    ),
    "deletedqueued": (JobState.CANCELLED, None, "was cancelled before it ran"),
}


def test_every_recorded_fate_is_tested() -> None:
    assert set(FATES) == set(IDS) == {path.name[:-9] for path in RECORDED.glob("*.full.txt")}


@pytest.mark.parametrize("fate", FATES)
def test_recorded_fate_is_told(fate: str) -> None:
    told = report(fate)
    assert (told.state, told.exit_code, told.explanation) == FATES[fate]
    assert told.never_runs == (fate == "impossible")


def test_several_jobs_are_read_from_one_answer() -> None:
    facts = parse_qstat("".join(recorded(fate) for fate in FATES))
    assert list(facts) == [IDS[fate] for fate in FATES]
    assert {fate: describe(IDS[fate], facts[IDS[fate]], PBS_PRO_ENDS) for fate in FATES} == {
        fate: report(fate) for fate in FATES
    }


def test_values_broken_over_lines_are_joined() -> None:
    comment = parse_qstat(recorded("overtime"))[IDS["overtime"]].comment
    assert comment.endswith("(head:ncpus=1:mem=102400kb) and exceeded resource walltime")


def test_the_server_may_be_named_differently() -> None:
    facts = parse_qstat(recorded("ok"))
    assert find_facts(facts, "73.head.example.org") == find_facts(facts, "73") == facts["73.head"]
    assert find_facts(facts, "7.head") is None


TORQUE_ANSWER = """\
Job Id: 179.host
    Job_Name = STDIN
    job_state = C
    Variable_List = PBS_O_HOME=/home/user,PBS_O_LOGNAME=user,
\tPBS_O_PATH=/usr/bin:/bin
    etime = Fri Aug 29 14:55:55 2008
    exit_status = {status}
"""
SLURMS_ANSWER = """\
Job Id:\t8
\tJob_Name = stub.sh
\tjob_state = R
\tqueue = main
\texec_host = n1/1

Job Id:\t9
\tJob_Name = stub.sh
\tjob_state = Q

"""


@pytest.mark.parametrize(
    ("status", "state", "explanation"),
    [
        (0, JobState.COMPLETED, "ended by itself"),
        (2, JobState.FAILED, "failed with exit code 2"),
        (-1, JobState.FAILED, "could not be started on its node"),
        (-10, JobState.OUT_OF_MEMORY, "used more memory than it asked for"),
        (-11, JobState.TIMEOUT, "reached its walltime"),
        (-99, JobState.FAILED, "was ended by PBS (exit status -99)"),
        (271, JobState.CANCELLED, "was cancelled, or ended by PBS, while it ran"),
        (265, JobState.FAILED, "was killed by SIGKILL, as happens when memory runs out"),
    ],
)
def test_torques_exit_status_is_told(status: int, state: JobState, explanation: str) -> None:
    facts = parse_qstat(TORQUE_ANSWER.format(status=status))
    told = describe("179.host", facts["179.host"], TORQUE_ENDS)
    assert (told.state, told.explanation) == (state, explanation)


def test_the_manner_of_slurms_own_qstat_is_read() -> None:
    assert {job: facts.state for job, facts in parse_qstat(SLURMS_ANSWER).items()} == {
        "8": "R",
        "9": "Q",
    }


@pytest.mark.parametrize("state", ["E", "B", "S", "U", "R", "?", "Ω"])
def test_states_that_are_not_the_end_are_no_end(state: str) -> None:
    facts = parse_qstat(f"Job Id: 1.head\n    job_state = {state}\n")
    told = describe("1.head", facts.get("1.head"), PBS_PRO_ENDS)
    assert told.state is (JobState.RUNNING if state.isascii() and state != "?" else JobState.GONE)


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    for job_id, facts in parse_qstat(text).items():
        describe(job_id, facts, PBS_PRO_ENDS)


LINES = [line for fate in FATES for line in recorded(fate).splitlines()]
PIECES = st.one_of(
    st.sampled_from(LINES), st.text(max_size=20), st.sampled_from(LINES).map(str.lstrip)
)


@given(st.lists(PIECES, max_size=30), st.integers(0, 2000))
def test_any_broken_answer_is_read_without_an_error(lines: list[str], cut: int) -> None:
    for job_id, facts in parse_qstat("\n".join(lines)[:cut]).items():
        assert isinstance(describe(job_id, facts, PBS_PRO_ENDS).state, JobState)
        assert isinstance(describe(job_id, facts, TORQUE_ENDS).state, JobState)


@pytest.mark.parametrize(
    "output", ["73.head\n", "note: be nice\n73.head\n", "73[].head-2.org", "12"]
)
def test_an_id_is_found_in_what_qsub_printed(output: str) -> None:
    assert parse_submission(output) == output.split("\n")[-2 if output.endswith("\n") else -1]


@pytest.mark.parametrize("output", ["", "\n", "thank you", "qsub: submitted"])
def test_a_submission_without_id_is_told(output: str) -> None:
    with pytest.raises(NoCluster, match="gave no id"):
        parse_submission(output)


def said(name: str) -> list[tuple[str, Answer]]:
    """Return what was typed and what came back, from a recorded file of `$ command` blocks."""
    found = re.findall(r"\$ (.+)\n((?:.*\n)*?)rc=(\d+)\n", (RECORDED / name).read_text())
    return [(typed, Answer(int(code), "", words)) for typed, words, code in found]


HINTS = {
    "qsub -q nosuch ok.sh": "choose one that qstat -Q lists, with --queue",
    "qsub -q closed ok.sh": "qstat -Q says which are enabled",
    "qsub -l walltime=30m ok.sh": "ask for another --walltime",
    "qsub -l nosuchres=1 ok.sh": "check the directives",
    "qsub -l select=1:ncpus=1:mem=1GiB ok.sh": "ask for other --memory",
    "qsub -l walltime=99:00:00 -q debug ok.sh": "ask for less",
    "qsub -l select=1:ncpus=1 -l mem=1gb ok.sh": "resource_style",
}


def test_every_recorded_refusal_is_tested() -> None:
    assert [typed for typed, _ in said("refusals.txt")] == list(HINTS)


@pytest.mark.parametrize(("typed", "answer"), said("refusals.txt"), ids=HINTS)
def test_recorded_refusal_has_its_next_step(typed: str, answer: Answer) -> None:
    assert HINTS[typed] in advise(answer, PBS_ADVICE)
    assert quote(answer) == answer.errors.strip().removeprefix("qsub: ")
    assert not is_transient(answer)


def test_a_script_is_submitted_from_its_own_folder(commands: FakeCommands, tmp_path: Path) -> None:
    commands.add("qsub", 'echo "$PWD $*" >&2; echo 73.head')
    script = tmp_path / "a run" / "worker.sh"
    script.parent.mkdir()
    script.write_text("#!/bin/bash\n")
    assert PbsPro(shipped_profile("pbs")).submit(script) == "73.head"
    assert commands.calls() == [["qsub", "worker.sh"]]


def test_a_refusal_carries_the_words_and_the_next_step(
    commands: FakeCommands, tmp_path: Path
) -> None:
    commands.add("qsub", "echo 'qsub: Unknown queue' >&2; exit 170")
    with pytest.raises(SubmissionRefused) as refused:
        PbsPro(shipped_profile("pbs")).submit(tmp_path / "worker.sh")
    assert str(refused.value) == (
        "PBS refused the job: Unknown queue; choose one that qstat -Q lists, with --queue"
    )


@pytest.mark.parametrize("verb", ["submit", "poll", "cancel", "find"])
def test_a_server_that_is_down_may_be_asked_again(
    commands: FakeCommands, tmp_path: Path, verb: str
) -> None:
    down = "echo 'Connection refused\nqstat: cannot connect to server head (errno=111)' >&2"
    for command, code in {"qsub": 162, "qdel": 162, "qstat": 255, "qselect": 255}.items():
        commands.add(command, f"{down}; exit {code}")
    words = {"submit": tmp_path / "worker.sh", "poll": ["1.head"], "cancel": ["1.head"]}
    with pytest.raises(SchedulerBusy, match="cannot connect to server"):
        getattr(PbsPro(shipped_profile("pbs")), verb)(words.get(verb, "hpcml-x"))


def test_many_jobs_are_asked_for_in_one_call(commands: FakeCommands) -> None:
    commands.add("qstat", f"cat {RECORDED}/ok.full.txt {RECORDED}/running.full.txt")
    reports = PbsPro(shipped_profile("pbs")).poll(["73.head", "75.head"])
    assert [told.state for told in reports.values()] == [JobState.COMPLETED, JobState.RUNNING]
    assert commands.calls() == [["qstat", "-x", "-f", "73.head", "75.head"]]


def test_without_history_what_is_gone_is_told_and_the_rest_still_known(
    commands: FakeCommands,
) -> None:
    commands.add(
        "qstat",
        f"""
        [ "$1" != -x ] || {{ echo 'qstat: job_history_enable is not set' >&2; exit 1; }}
        cat {RECORDED}/running.full.txt
        echo 'qstat: Unknown Job Id 73.head' >&2; exit 153""",
    )
    reports = PbsPro(shipped_profile("pbs")).poll(["73.head", "75.head"])
    assert reports["73.head"].state is JobState.GONE
    assert reports["75.head"].state is JobState.RUNNING


def test_ending_jobs_that_have_ended_is_no_error(commands: FakeCommands) -> None:
    commands.add(
        "qdel",
        """
        echo 'qdel: Job has finished 73.head' >&2
        echo 'qdel: Unknown Job Id 99999.head' >&2; exit 153""",
    )
    PbsPro(shipped_profile("pbs")).cancel(["73.head", "99999.head", "75.head"])
    assert commands.calls() == [["qdel", "73.head", "99999.head", "75.head"]]


def test_ending_the_job_of_another_is_refused(commands: FakeCommands) -> None:
    commands.add("qdel", "echo 'qdel: Unauthorized Request 7.head' >&2; exit 159")
    with pytest.raises(NoCluster, match="Unauthorized"):
        PbsPro(shipped_profile("pbs")).cancel(["7.head"])


@pytest.mark.parametrize("scheduler", [PbsPro, Torque])
def test_nothing_is_asked_about_no_jobs(commands: FakeCommands, scheduler: type[PbsPro]) -> None:
    commands.add("qstat", "echo Version: 6.1.2")
    asked = scheduler(shipped_profile("pbs"))
    asked.cancel([])
    assert asked.poll([]) == {}
    assert ["qdel"] not in commands.calls()


def test_jobs_are_found_by_name(commands: FakeCommands) -> None:
    commands.add("qselect", "echo 73.head; echo 75.head")
    assert PbsPro(shipped_profile("pbs")).find("hpcml-x7k2q1") == ["73.head", "75.head"]


def test_real_torque_is_asked_without_x(commands: FakeCommands) -> None:
    commands.add("qstat", "[ $1 = --version ] && echo Version: 6.1.2 || cat <<'E'\n"
                 + TORQUE_ANSWER.format(status=0) + "E")  # fmt: skip
    reports = Torque(shipped_profile("torque")).poll(["179.host"])
    assert reports["179.host"].state is JobState.COMPLETED
    assert commands.calls()[-1] == ["qstat", "-f", "179.host"]
