"""PBS Pro and OpenPBS."""

from collections.abc import Sequence
from pathlib import Path

from hpc_ml.schedulers.commands import Answer, ask
from hpc_ml.schedulers.pbs_answers import JobFacts, find_facts, parse_qstat
from hpc_ml.schedulers.pbs_family import PbsFamily, check_answer
from hpc_ml.schedulers.pbs_words import PBS_PRO_ENDS

_UNKNOWN = ("Unknown Job Id", "Job has finished")


class PbsPro(PbsFamily):
    """PBS Pro or OpenPBS as one site wants to be asked."""

    name = "pbs"
    job_id_word = "${PBS_JOBID}"
    ends = PBS_PRO_ENDS
    live_states = "BEHQRSTUW"

    def _ask_qsub(self, script: Path, options: Sequence[str]) -> Answer:
        return ask(["qsub", *options, script.name], folder=script.parent)

    def _look_up(self, ids: list[str]) -> dict[str, JobFacts]:
        # The history has the jobs that wait and run too, but is off on many sites.
        facts = parse_qstat(ask(["qstat", "-x", "-f", *ids]).output)
        unknown = [job_id for job_id in ids if find_facts(facts, job_id) is None]
        if unknown:
            answer = ask(["qstat", "-f", *unknown])
            check_answer(answer, _UNKNOWN)
            facts |= parse_qstat(answer.output)
        return facts
