"""What PBS Pro and Torque have in common: qsub, qstat, qdel and the lines of a script."""

import os
import pwd
import shlex
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from hpc_ml.errors import NoCluster, SubmissionRefused
from hpc_ml.schedulers.base import BatchJob, JobReport, NamedJob, Scheduler, SchedulerBusy
from hpc_ml.schedulers.commands import Answer, ask, check_installed
from hpc_ml.schedulers.demands import check_demands
from hpc_ml.schedulers.pbs_answers import JobFacts, find_facts, parse_names, parse_submission
from hpc_ml.schedulers.pbs_words import End, describe
from hpc_ml.schedulers.refusals import PBS_ADVICE, advise, is_transient, quote
from hpc_ml.schedulers.rendering import ScriptParts, quote_directive_path, render_script
from hpc_ml.spec.quantities import ceil_mib, format_walltime

# Of jobs that have ended, or that PBS does not know.
_HARMLESS = ("Unknown Job Id", "Job has finished", "invalid for state of job")


class PbsFamily(Scheduler):
    """A scheduler of the PBS family as one site wants to be asked."""

    commands = ("qsub", "qstat", "qdel")
    ends: ClassVar[Mapping[int, End]]
    live_states: ClassVar[str]

    def render(self, job: BatchJob) -> str:
        """Return the whole batch script; PBS has no signal ahead of the walltime to ask for."""
        check_demands(job, self.profile)
        directives = (
            *_describe_job(job, quote_directive_path(f"{job.log_folder}/", self.profile)),
            *self._ask_place(job),
            *self._ask_resources(job),
            *self.profile.directives,
            *(self.profile.gpu_directives if job.gpus else self.profile.cpu_directives),
            *job.directives,
        )
        folder = shlex.quote(str(job.log_folder))
        log = f'{folder}/{job.log_stem}-"{self.job_id_word}".log'
        return render_script(ScriptParts("PBS", directives, self.profile.prologue, job.body, log))

    def check_commands(self) -> None:
        check_installed(self.commands)

    def validate(self, script: Path) -> None:
        """Do nothing: PBS cannot be asked whether it would take a job."""

    def submit(
        self, script: Path, *, without_nodes: Collection[str] = (), after: str | None = None
    ) -> str:
        wait = () if after is None else ("-W", f"depend=afterany:{after}")
        answer = self._ask_qsub(script, wait)
        if answer.exit_code != 0:
            raise _refusal(answer)
        return parse_submission(answer.output)

    def poll(self, job_ids: Iterable[str]) -> Mapping[str, JobReport]:
        ids = list(job_ids)
        facts = self._look_up(ids) if ids else {}
        return {job_id: describe(job_id, find_facts(facts, job_id), self.ends) for job_id in ids}

    def cancel(self, job_ids: Iterable[str]) -> None:
        ids = list(job_ids)
        answer = ask(["qdel", *ids]) if ids else None
        # Slurm's qdel fails without a word where a job has ended.
        if answer is not None and answer.words:
            check_answer(answer, _HARMLESS)

    def find(self, name: str) -> list[str]:
        user = pwd.getpwuid(os.getuid()).pw_name
        answer = ask(["qselect", "-N", name, "-u", user, "-s", self.live_states])
        check_answer(answer, ())
        return answer.output.split()

    def list_jobs(self, prefix: str) -> list[NamedJob]:
        user = pwd.getpwuid(os.getuid()).pw_name
        answer = ask(["qselect", "-u", user, "-s", self.live_states])
        check_answer(answer, ())
        ids = answer.output.split()
        if not ids:
            return []
        listed = ask(["qstat", "-f", *ids])
        check_answer(listed, _HARMLESS)
        return [job for job in parse_names(listed.output) if job.name.startswith(prefix)]

    @abstractmethod
    def _ask_qsub(self, script: Path, options: Sequence[str]) -> Answer:
        """Submit the script, with further options."""

    @abstractmethod
    def _look_up(self, ids: list[str]) -> dict[str, JobFacts]:
        """Return what is known of each job, as far as it is known at all."""

    def _ask_place(self, job: BatchJob) -> Iterator[str]:
        if job.queue is not None:
            yield f"-q {job.queue}"
        if job.account is not None:
            yield f"{self.profile.account_flag} {job.account}"

    def _ask_resources(self, job: BatchJob) -> Iterator[str]:
        memory = f"mem={ceil_mib(job.memory_bytes)}mb" if job.memory_bytes is not None else ""
        gpus = job.gpus if self.profile.gpu_style == "ngpus" else 0
        if self.profile.resource_style == "select":
            kind = f":gpu_type={self.profile.gpu_type}" if self.profile.gpu_type else ""
            chunk = ("1", f"ncpus={job.cores}", memory, f"ngpus={gpus}{kind}" if gpus else "")
            yield f"-l select={':'.join(part for part in chunk if part)}"
        elif self.profile.resource_style == "flat":
            yield f"-l ncpus={job.cores}"
            yield from (f"-l {part}" for part in (memory, f"ngpus={gpus}" if gpus else "") if part)
        else:
            yield f"-l nodes=1:ppn={job.cores}" + (f":gpus={gpus}" if gpus else "")
            yield from (f"-l {part}" for part in (memory,) if part)
        yield f"-l walltime={format_walltime(job.walltime_s)}"


def _describe_job(job: BatchJob, folder: str) -> Iterator[str]:
    yield f"-N {job.name}"
    # PBS runs a script by the user's login shell, which may be another.
    yield "-S /bin/bash"
    yield "-j oe"
    yield f"-o {folder}"
    # A job that is run again would use the keys and the log of one that the run has given up.
    yield "-r n"


def check_answer(answer: Answer, harmless: Iterable[str]) -> None:
    """Raise SchedulerBusy or NoCluster unless a command succeeded or failed harmlessly."""
    lines = answer.errors.strip().splitlines()
    if answer.exit_code == 0 or (lines and all(_is_said(line, harmless) for line in lines)):
        return
    if is_transient(answer):
        raise SchedulerBusy(f"PBS gave no answer: {quote(answer)}", hint="try again later")
    raise NoCluster(f"PBS refused: {quote(answer)}")


def _is_said(line: str, phrases: Iterable[str]) -> bool:
    return any(phrase in line for phrase in phrases)


def _refusal(answer: Answer) -> NoCluster:
    if is_transient(answer):
        return SchedulerBusy(
            f"PBS did not answer the submission: {quote(answer)}", hint="try again later"
        )
    return SubmissionRefused(
        f"PBS refused the job: {quote(answer)}", hint=advise(answer, PBS_ADVICE)
    )
