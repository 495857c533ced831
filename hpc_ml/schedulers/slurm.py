"""Slurm, through sbatch, squeue, sacct, scontrol and scancel (from 20.02 on)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from hpc_ml.errors import NoCluster, SchedulerMissing, SubmissionRefused
from hpc_ml.schedulers.base import BatchJob, JobReport, NamedJob, Scheduler, SchedulerBusy
from hpc_ml.schedulers.commands import Answer, ask, check_installed
from hpc_ml.schedulers.demands import check_demands
from hpc_ml.schedulers.refusals import SLURM_ADVICE, advise, is_transient, quote
from hpc_ml.schedulers.rendering import ScriptParts, quote_directive_path, render_script
from hpc_ml.schedulers.slurm_answers import (
    NAMES_FORMAT,
    SACCT_FIELDS,
    SQUEUE_FORMAT,
    JobFacts,
    parse_names,
    parse_sacct,
    parse_scontrol,
    parse_squeue,
    parse_submission,
)
from hpc_ml.schedulers.slurm_words import describe
from hpc_ml.spec.quantities import MIB, ceil_mib, format_walltime

# Said of a list with that one id alone; from longer lists unknown ids are left out in silence.
_UNKNOWN_ID = "Invalid job id"


class Slurm(Scheduler):
    """Slurm as one site wants to be asked."""

    name = "slurm"
    commands = ("sbatch", "squeue", "scancel")
    job_id_word = "${SLURM_JOB_ID}"
    leaves_out_nodes = True

    def render(self, job: BatchJob) -> str:
        check_demands(job, self.profile)
        directives = (
            *_describe_job(job, self._log_path(job)),
            *self._ask_place(job),
            *self._ask_resources(job),
            *self.profile.directives,
            *(self.profile.gpu_directives if job.gpus else self.profile.cpu_directives),
            *job.directives,
        )
        return render_script(ScriptParts("SBATCH", directives, self.profile.prologue, job.body))

    def check_commands(self) -> None:
        check_installed(self.commands)

    def validate(self, script: Path) -> None:
        answer = ask(["sbatch", "--test-only", script.name], folder=script.parent)
        if answer.exit_code != 0:
            raise _refusal(answer)

    def submit(
        self, script: Path, *, without_nodes: Collection[str] = (), after: str | None = None
    ) -> str:
        options = [f"--exclude={','.join(sorted(without_nodes))}"] if without_nodes else []
        if after is not None:
            options.append(f"--dependency=afterany:{_number(after)}")
        answer = ask(["sbatch", "--parsable", *options, script.name], folder=script.parent)
        if answer.exit_code != 0:
            raise _refusal(answer)
        return parse_submission(answer.output)

    def poll(self, job_ids: Iterable[str]) -> Mapping[str, JobReport]:
        reports: dict[str, JobReport] = {}
        for cluster, ids in _by_cluster(job_ids).items():
            facts = _look_up([_number(job_id) for job_id in ids], _of_cluster(cluster))
            for job_id in ids:
                reports[job_id] = describe(job_id, facts.get(_number(job_id)))
        return reports

    def cancel(self, job_ids: Iterable[str]) -> None:
        for cluster, ids in _by_cluster(job_ids).items():
            numbers = [_number(job_id) for job_id in ids]
            answer = ask(["scancel", *_of_cluster(cluster), *numbers])
            _check_answer(answer, harmless=(_UNKNOWN_ID, "already completing or completed"))

    def find(self, name: str) -> list[str]:
        answer = ask(["squeue", "-h", "--me", "-n", name, "-o", "%A"])
        _check_answer(answer)
        return [line.strip() for line in answer.output.splitlines() if line.strip()]

    def list_jobs(self, prefix: str) -> list[NamedJob]:
        answer = ask(["squeue", "-h", "--me", "-o", NAMES_FORMAT])
        _check_answer(answer)
        return [job for job in parse_names(answer.output) if job.name.startswith(prefix)]

    def _log_path(self, job: BatchJob) -> str:
        folder = str(job.log_folder).replace("%", "%%")
        return quote_directive_path(f"{folder}/{job.log_stem}-%j.log", self.profile)

    def _ask_place(self, job: BatchJob) -> Iterator[str]:
        if job.queue is not None:
            yield f"{self.profile.queue_flag}={job.queue}"
        if job.account is not None:
            yield f"--account={job.account}"

    def _ask_resources(self, job: BatchJob) -> Iterator[str]:
        yield "--nodes=1"
        yield "--ntasks=1"
        yield f"--cpus-per-task={job.cores}"
        if job.memory_bytes is not None:
            if self.profile.memory_style == "mem-per-cpu":
                yield f"--mem-per-cpu={-(-job.memory_bytes // (MIB * job.cores))}M"
            else:
                yield f"--mem={ceil_mib(job.memory_bytes)}M"
        yield f"--time={format_walltime(job.walltime_s)}"
        if job.warn_s:
            yield f"--signal=B:USR1@{job.warn_s}"
        if job.gpus:
            yield from self._ask_gpus(job.gpus)

    def _ask_gpus(self, gpus: int) -> Iterator[str]:
        kind = f"{self.profile.gpu_type}:" if self.profile.gpu_type else ""
        if self.profile.gpu_style == "gres":
            yield f"--gres=gpu:{kind}{gpus}"
        elif self.profile.gpu_style == "gpus-per-node":
            yield f"--gpus-per-node={kind}{gpus}"


def _describe_job(job: BatchJob, log: str) -> Iterator[str]:
    yield f"--job-name={job.name}"
    yield f"--output={log}"
    # A job that is run again would use the keys and the log of one that the run has given up.
    yield "--no-requeue"


def _number(job_id: str) -> str:
    """The id that commands and the job itself know: `ID` of `ID;CLUSTER`."""
    return job_id.partition(";")[0]


def _by_cluster(job_ids: Iterable[str]) -> dict[str, list[str]]:
    clusters: dict[str, list[str]] = defaultdict(list)
    for job_id in job_ids:
        clusters[job_id.partition(";")[2]].append(job_id)
    return clusters


def _of_cluster(cluster: str) -> list[str]:
    return ["-M", cluster] if cluster else []


def _look_up(ids: list[str], cluster: list[str]) -> dict[str, JobFacts]:
    """Return what is known of each job, as far as Slurm knows it at all.

    squeue is the word on jobs that wait or run; of the others, accounting has exit codes and lasts
    but is off on some sites and lags behind, and scontrol knows them for some minutes (MinJobAge).
    """
    listed = ask(["squeue", *cluster, "-h", "-t", "all", "-o", SQUEUE_FORMAT, "-j", ",".join(ids)])
    _check_answer(listed, harmless=(_UNKNOWN_ID,))
    facts = parse_squeue(listed.output)
    ended = [job_id for job_id in ids if job_id not in facts or facts[job_id].ended]
    if ended:
        fields = ["-X", "-P", "-n", "-o", SACCT_FIELDS]
        kept = parse_sacct(_ask_softly("sacct", *cluster, *fields, "-j", ",".join(ended)))
        facts |= {job_id: fact for job_id, fact in kept.items() if fact.ended}
    for job_id in ended:
        if job_id not in facts or facts[job_id].exit_code is None:
            facts |= parse_scontrol(_ask_softly("scontrol", *cluster, "-o", "show", "job", job_id))
    return facts


def _ask_softly(*command: str) -> str:
    """Return a command's output; nothing where it is missing or fails."""
    try:
        answer = ask(command)
    except (SchedulerMissing, SchedulerBusy):
        return ""
    return answer.output if answer.exit_code == 0 else ""


def _check_answer(answer: Answer, harmless: tuple[str, ...] = ()) -> None:
    if answer.exit_code == 0 or any(words in answer.words for words in harmless):
        return
    if is_transient(answer):
        raise SchedulerBusy(f"Slurm gave no answer: {quote(answer)}", hint="try again later")
    raise NoCluster(f"Slurm refused: {quote(answer)}")


def _refusal(answer: Answer) -> NoCluster:
    if is_transient(answer):
        return SchedulerBusy(
            f"Slurm did not answer the submission: {quote(answer)}", hint="try again later"
        )
    return SubmissionRefused(
        f"Slurm refused the job: {quote(answer)}", hint=advise(answer, SLURM_ADVICE)
    )
