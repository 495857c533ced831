"""What Slurm's commands answer, and the words made of it."""

import pwd

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc_ml.errors import NoCluster
from hpc_ml.schedulers.base import JobState
from hpc_ml.schedulers.commands import Answer
from hpc_ml.schedulers.refusals import SLURM_ADVICE, advise, is_transient, quote
from hpc_ml.schedulers.slurm_answers import (
    JobFacts,
    parse_sacct,
    parse_scontrol,
    parse_squeue,
    parse_submission,
)
from hpc_ml.schedulers.slurm_words import describe

ME = pwd.getpwuid(0).pw_name


@pytest.mark.parametrize("output", ["12\n", "12;cluster-2\n", "sbatch: lua: welcome\n12\n"])
def test_an_id_is_found_in_what_sbatch_printed(output: str) -> None:
    assert parse_submission(output) == output.splitlines()[-1]


@pytest.mark.parametrize("output", ["", "Submitted", "12 and more"])
def test_a_submission_without_id_is_told(output: str) -> None:
    with pytest.raises(NoCluster, match="gave no id"):
        parse_submission(output)


WAITS = [
    ("Priority", "waits behind jobs of higher priority", False),
    ("Resources", "is next in line and waits for free nodes", False),
    ("PartitionDown", "waits because its partition is down", False),
    ("ReqNodeNotAvail, UnavailableNodes:n[1-3]", "that are down, drained or reserved", False),
    ("QOSMaxJobsPerUserLimit", "a limit of its quality of service", False),
    ("AssocGrpCpuLimit", "a limit of its account or user", False),
    ("MaxGRESPerAccount", "a limit of its account or user", False),
    ("JobHeldUser", "is held by you; release it with scontrol release", False),
    ("JobHeldAdmin", "is held by the administrators", False),
    ("Dependency", "waits for another job", False),
    ("BeginTime", "waits for its start time", False),
    ("Licenses", "waits for a licence", False),
    ("SomethingNew", "waits (SomethingNew)", False),
    ("None", "waits to be looked at by Slurm", False),
    ("PartitionTimeLimit", "ask for less with --walltime", True),
    ("PartitionNodeLimit", "more nodes than its partition allows", False),
    ("PartitionConfig", "asks for more than its partition has now", False),
    ("BadConstraints", "asks for what no node has", True),
    ("InvalidAccount", "choose another with --account", True),
    ("QOSMaxWallDurationPerJobLimit", "ask for less with --walltime", True),
    ("DependencyNeverSatisfied", "waits for a job that failed", True),
]


@pytest.mark.parametrize(("reason", "words", "never"), WAITS, ids=[wait[0] for wait in WAITS])
def test_why_a_job_waits_is_told(reason: str, words: str, never: bool) -> None:
    told = describe("7", parse_squeue(f"7|PENDING||{reason}\n")["7"])
    assert told.state is JobState.PENDING
    assert words in told.explanation
    assert told.never_runs == never
    assert told.native_reason == ("" if reason == "None" else reason)


ENDS = [
    ("COMPLETED", "0:0", JobState.COMPLETED, 0, "ended by itself"),
    ("FAILED", "3:0", JobState.FAILED, 3, "failed with exit code 3"),
    ("FAILED", "127:0", JobState.FAILED, 127, "its command was not found"),
    ("FAILED", "126:0", JobState.FAILED, 126, "its command could not be run"),
    ("FAILED", "69:0", JobState.FAILED, 69, "the node gave it no GPU"),
    ("FAILED", "0:11", JobState.FAILED, 139, "was killed by SIGSEGV"),
    ("FAILED", "0:9", JobState.FAILED, 137, "as happens when memory runs out"),
    ("FAILED", "143:0", JobState.FAILED, 143, "was killed by SIGTERM"),
    ("CANCELLED by 0", "0:15", JobState.CANCELLED, None, f"was cancelled by {ME}"),
    ("CANCELLED by 4294967294", "0:0", JobState.CANCELLED, None, "by user 4294967294"),
    ("CANCELLED", "0:0", JobState.CANCELLED, None, "was cancelled"),
    ("TIMEOUT", "0:0", JobState.TIMEOUT, None, "reached its walltime"),
    ("OUT_OF_MEMORY", "0:125", JobState.OUT_OF_MEMORY, None, "more memory than it asked for"),
    ("NODE_FAIL", "0:0", JobState.NODE_FAILED, None, "its node failed"),
    ("PREEMPTED", "0:0", JobState.PREEMPTED, None, "in favour of a job of higher priority"),
    ("BOOT_FAIL", "0:0", JobState.NODE_FAILED, None, "its node did not start"),
    ("DEADLINE", "0:0", JobState.TIMEOUT, None, "ended at its deadline"),
    ("FAILED", "", JobState.FAILED, None, "failed"),
]


@pytest.mark.parametrize(("native", "code", "state", "exit_code", "words"), ENDS)
def test_how_a_job_ended_is_told(
    native: str, code: str, state: JobState, exit_code: int | None, words: str
) -> None:
    told = describe("7", parse_sacct(f"7|{native}|{code}\n")["7"])
    assert (told.state, told.exit_code) == (state, exit_code)
    assert words in told.explanation
    assert told.native_state == native.split()[0]


@pytest.mark.parametrize(
    ("native", "state", "words"),
    [
        ("RUNNING", JobState.RUNNING, "runs"),
        ("COMPLETING", JobState.RUNNING, "is ending"),
        ("SUSPENDED", JobState.RUNNING, "is suspended"),
        ("CONFIGURING", JobState.PENDING, "has its node, which is being prepared"),
        ("REQUEUED", JobState.PENDING, "waits to be looked at by Slurm"),
        ("NEW_STATE", JobState.RUNNING, "is NEW_STATE in Slurm's words"),
    ],
)
def test_what_a_job_does_is_told(native: str, state: JobState, words: str) -> None:
    told = describe("7", JobFacts(native))
    assert (told.state, told.explanation) == (state, words)


def test_scontrol_is_read_though_values_hold_equal_signs() -> None:
    line = (
        "JobId=44 JobName=a=b JobState=FAILED Reason=NonZeroExitCode Dependency=(null) "
        "ExitCode=3:0 NodeList=n2 Command=/x y=1/worker.sh StdOut=/x/JobState\n"
    )
    assert parse_scontrol(line) == {"44": JobFacts("FAILED", "NonZeroExitCode", 3, node="n2")}


@pytest.mark.parametrize("node", ["", "(null)", "None assigned", "n[1-3]"])
def test_a_job_without_a_node_of_its_own_names_none(node: str) -> None:
    assert parse_squeue(f"7|PENDING|{node}|Priority\n")["7"].node == ""
    assert parse_sacct(f"7|CANCELLED by 0|0:0|{node}\n")["7"].node == ""


def test_accounting_without_a_list_of_nodes_is_read() -> None:
    assert parse_sacct("7|FAILED|3:0\n")["7"] == JobFacts("FAILED", exit_code=3)


PIECES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["7", "|", "PENDING", "FAILED", "CANCELLED by 9", "0:0", "1:9", ":", "\n", "=", " ",
         "JobId=7", "JobState=FAILED", "ExitCode=1:0", "9" * 30]
    ),
)  # fmt: skip


@given(st.lists(PIECES).map("".join))
def test_any_answer_is_read_without_an_error(text: str) -> None:
    for parse in (parse_squeue, parse_sacct, parse_scontrol):
        for job_id, facts in parse(text).items():
            assert describe(job_id, facts).job_id == job_id


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("sbatch: error: invalid partition specified: nosuch", "--queue"),
        ("Invalid account or account/partition combination specified", "--account"),
        ("Memory specification can not be satisfied", "--memory"),
        ("CPU count per node can not be satisfied", "--cores"),
        ("Requested node configuration is not available", "no node of that partition has them"),
        ("Requested time limit is invalid (missing or exceeds some limit)", "--walltime"),
        ("Invalid generic resource (gres) specification", "--gpus"),
        ("Invalid qos specification", "sacctmgr show associations"),
        ("Job violates accounting/QOS policy (job submit limit, user's size)", "--workers"),
        ("QOSMaxSubmitJobPerUserLimit", "--workers"),
        ("Invalid feature specification", "directives"),
        ("sbatch: unrecognized option '--frob'", "directives"),
        ("User's group not permitted to use this partition", "--queue"),
        ("something that nobody has seen", "--queue, --account, --cores"),
    ],
)
def test_a_refusal_is_followed_by_the_next_step(said: str, step: str) -> None:
    answer = Answer(1, "", said)
    assert step in advise(answer, SLURM_ADVICE)
    assert not is_transient(answer)


def test_a_refusal_is_quoted_in_one_line() -> None:
    errors = (
        "sbatch: lua: checking your job\n"
        "sbatch: error: invalid partition specified: nosuch\n"
        "sbatch: error: Batch job submission failed: Invalid partition name specified\n"
    )
    assert quote(Answer(1, "", errors)) == (
        "invalid partition specified: nosuch; "
        "Batch job submission failed: Invalid partition name specified"
    )
    assert quote(Answer(3, "", "")) == "exit code 3, no words"
