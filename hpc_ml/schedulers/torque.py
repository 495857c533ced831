"""Torque, and the commands in Torque's manner that Slurm brings."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hpc_ml.runs.layout import RunLayout
from hpc_ml.schedulers.base import JobReport, NamedJob
from hpc_ml.schedulers.commands import Answer, ask
from hpc_ml.schedulers.pbs_answers import JobFacts, parse_qstat
from hpc_ml.schedulers.pbs_family import PbsFamily, check_answer
from hpc_ml.schedulers.pbs_words import TORQUE_ENDS
from hpc_ml.schedulers.slurm import Slurm
from hpc_ml.sites.flavour import installed_flavour


class Torque(PbsFamily):
    """Torque as one site wants to be asked.

    Slurm's own qstat tells neither reasons nor exit codes, so where the commands are Slurm's,
    jobs are submitted and cancelled by qsub and qdel, but looked up by squeue and sacct.
    """

    name = "torque"
    # Slurm's qsub sets no PBS_* variables.
    job_id_word = "${PBS_JOBID:-${SLURM_JOB_ID:-}}"
    ends = TORQUE_ENDS
    live_states = "EHQRTW"

    def poll(self, job_ids: Iterable[str]) -> Mapping[str, JobReport]:
        return self._slurm.poll(job_ids) if _over_slurm() else super().poll(job_ids)

    def find(self, name: str) -> list[str]:
        return self._slurm.find(name) if _over_slurm() else super().find(name)

    def list_jobs(self, prefix: str) -> list[NamedJob]:
        return self._slurm.list_jobs(prefix) if _over_slurm() else super().list_jobs(prefix)

    @property
    def _slurm(self) -> Slurm:
        return Slurm(self.profile)

    def _ask_qsub(self, script: Path, options: Sequence[str]) -> Answer:
        # Slurm's qsub takes -j and -r from its own command line alone, hands the script's path to a
        # shell unquoted, and leaves an output file in the folder that it is called from.
        logs = RunLayout(script.parent).logs
        folder = logs if logs.is_dir() else script.parent
        words = ["qsub", "-j", "oe", "-r", "n", *options, os.path.relpath(script, folder)]
        return ask(words, folder=folder)

    def _look_up(self, ids: list[str]) -> dict[str, JobFacts]:
        answer = ask(["qstat", "-f", *ids])
        check_answer(answer, ("Unknown Job Id",))
        return parse_qstat(answer.output)


def _over_slurm() -> bool:
    return installed_flavour() == "torque-over-slurm"
