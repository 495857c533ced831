"""What a site demands of a job: one that does not meet it is refused before anything is asked."""

from hpc_ml.errors import BadJob
from hpc_ml.schedulers.base import BatchJob
from hpc_ml.sites.profile import SiteProfile


def check_demands(job: BatchJob, profile: SiteProfile) -> None:
    """Raise BadJob for the first thing of the job that the site cannot honour."""
    _check_account(job, profile)
    _check_memory(job, profile)
    _check_queue(job, profile)
    _check_directives(job, profile)
    if job.gpus:
        _check_gpus(job, profile)


def _refuse(profile: SiteProfile, problem: str, hint: str) -> BadJob:
    return BadJob(problem, where=f"site {profile.name}", hint=hint)


def _check_account(job: BatchJob, profile: SiteProfile) -> None:
    if profile.account_required and job.account is None:
        raise _refuse(
            profile,
            "a job without an account is refused there",
            "say which project pays with --account",
        )


def _check_memory(job: BatchJob, profile: SiteProfile) -> None:
    if profile.memory_style == "none" and job.memory_bytes is not None:
        key = f"{'controller' if job.log_stem == 'controller' else 'resources'}.memory"
        raise _refuse(
            profile,
            f"memory cannot be asked for there, and {key} is given",
            f"leave it out: write --set {key}=null",
        )


def _check_queue(job: BatchJob, profile: SiteProfile) -> None:
    rule = profile.queues.get(job.queue or "")
    if rule is not None and rule.minimum_nodes > 1:
        raise _refuse(
            profile,
            f"queue {job.queue} gives no job less than {rule.minimum_nodes} nodes, which takes "
            "one allocation for all workers; here each worker is a job of one node",
            "choose a queue for single nodes with --queue",
        )


def _check_directives(job: BatchJob, profile: SiteProfile) -> None:
    # `-l name=` and `-lname=` are the same.
    given = [directive.replace(" ", "") for directive in (*profile.directives, *job.directives)]
    for start, advice in profile.required_directives.items():
        if not any(directive.startswith(start.replace(" ", "")) for directive in given):
            raise _refuse(
                profile,
                f"a job without the directive {start!r} is refused there",
                f"give resources.directives such as {advice!r}",
            )


def _check_gpus(job: BatchJob, profile: SiteProfile) -> None:
    if profile.gpu_style == "none":
        raise _refuse(
            profile,
            f"{job.gpus} GPUs were asked for, and its profile knows no way to ask for them",
            "leave --gpus out, or write a profile with a gpu_style",
        )
    of_a_node = profile.gpus_per_node
    if profile.gpu_style == "queue":
        _check_whole_node(job, profile)
    elif of_a_node is not None and job.gpus > of_a_node:
        raise _refuse(
            profile,
            f"{job.gpus} GPUs were asked for, and a node there has {of_a_node}",
            f"ask for at most --gpus {of_a_node}, and for more --workers",
        )
    if profile.cores_per_gpu is not None and job.cores != profile.cores_per_gpu * job.gpus:
        cores = profile.cores_per_gpu * job.gpus
        raise _refuse(
            profile,
            f"a job there must ask for {profile.cores_per_gpu} cores with each GPU, "
            f"and {job.cores} cores were asked for with {job.gpus} GPUs",
            f"ask for --cores {cores}",
        )


def _check_whole_node(job: BatchJob, profile: SiteProfile) -> None:
    if job.queue is None:
        raise _refuse(
            profile, "GPUs are asked for by the queue there", "choose one with GPUs with --queue"
        )
    if job.gpus != profile.gpus_per_node:
        raise _refuse(
            profile,
            f"{job.gpus} GPUs were asked for, and nodes with {profile.gpus_per_node} GPUs "
            "are given whole there",
            f"ask for --gpus {profile.gpus_per_node}",
        )
