"""What differs from one site to the next, as a model; the profiles themselves are YAML."""

from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.words import Directive, SchedulerName


class QueueRule(SpecModel):
    """What one queue of a site demands."""

    minimum_nodes: PositiveInt = Field(
        1, description="nodes that a job there must at least ask for"
    )
    description: str | None = Field(None, description="what the queue is for")


class SiteProfile(SpecModel):
    """How one site wants its jobs asked for."""

    name: str = Field(description="the name that --site takes")
    description: str = Field(description="the site and the machine")
    scheduler: Literal["slurm", "pbs", "torque"] = Field(description="which scheduler it runs")
    account_flag: Literal["-A", "-P"] = Field("-A", description="the option of the account")
    account_required: bool = Field(False, description="whether a job without account is refused")
    queue_flag: Literal["--partition", "--qos"] = Field(
        "--partition", description="Slurm: what a queue is called there"
    )
    resource_style: Literal["select", "flat", "nodes-ppn"] = Field(
        "select", description="PBS: how cores and memory are asked for"
    )
    memory_style: Literal["mem", "mem-per-cpu", "none"] = Field(
        "mem", description="how memory is asked for; none: nodes are given whole"
    )
    gpu_style: Literal["gres", "gpus-per-node", "ngpus", "queue", "none"] = Field(
        "none", description="how GPUs are asked for; queue: the queue itself is the request"
    )
    gpu_type: SchedulerName | None = Field(None, description="type of GPU to ask for")
    cpu_queue: SchedulerName | None = Field(
        None, description="queue of jobs without GPUs that ask for none"
    )
    gpu_queue: SchedulerName | None = Field(
        None, description="queue of jobs with GPUs that ask for none"
    )
    gpu_variable: Literal["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"] = Field(
        "CUDA_VISIBLE_DEVICES", description="variable that names a job's GPUs"
    )
    gpus_per_node: PositiveInt | None = Field(None, description="GPUs of a node")
    cores_per_gpu: PositiveInt | None = Field(
        None, description="cores that must be asked for with each GPU"
    )
    interface: SchedulerName | None = Field(
        None, description="network interface that reaches the compute nodes"
    )
    directives: tuple[Directive, ...] = Field((), description="directives of every job")
    cpu_directives: tuple[Directive, ...] = Field((), description="directives of jobs without GPUs")
    gpu_directives: tuple[Directive, ...] = Field((), description="directives of jobs with GPUs")
    prologue: tuple[str, ...] = Field(
        (), description="shell lines before the command: modules, environments"
    )
    queues: dict[str, QueueRule] = Field({}, description="queues with demands of their own")
    required_directives: dict[str, str] = Field(
        {}, description="start of a directive that must be given -> what to write"
    )
    defaults: dict[str, Any] = Field(
        {}, description="values of the job that hold here unless the user says otherwise"
    )

    @model_validator(mode="after")
    def _styles_fit_the_scheduler(self) -> "SiteProfile":
        slurm_only = {
            "gpu_style": ("gres", "gpus-per-node"),
            "memory_style": ("mem-per-cpu",),
            "queue_flag": ("--qos",),
        }
        pbs_only = {"gpu_style": ("ngpus",), "account_flag": ("-P",)}
        for key, values in (pbs_only if self.scheduler == "slurm" else slurm_only).items():
            if getattr(self, key) in values:
                raise ValueError(f"{key} {getattr(self, key)!r} does not fit {self.scheduler}")
        return self

    @model_validator(mode="after")
    def _whole_nodes_have_gpus(self) -> "SiteProfile":
        if self.gpu_style == "queue" and self.gpus_per_node is None:
            raise ValueError("gpu_style 'queue' needs gpus_per_node: how many GPUs a job then has")
        return self
