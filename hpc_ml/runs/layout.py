"""Where each file of a run lies; pure, so that scripts can be rendered before the folder exists."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

TAG_PREFIX = "hpcml-"


@dataclass(frozen=True)
class RunLayout:
    """The paths of one run, given the absolute path of its folder."""

    path: Path

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def tag(self) -> str:
        """The name of all batch jobs of this run; at most 15 characters, as old PBS demands."""
        return TAG_PREFIX + self.run_id.rsplit("-", 1)[-1]

    @property
    def job_file(self) -> Path:
        return self.path / "job.yaml"

    @property
    def record_file(self) -> Path:
        return self.path / "run.json"

    @property
    def events_file(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def heartbeat_file(self) -> Path:
        return self.path / "heartbeat.json"

    @property
    def owner_file(self) -> Path:
        return self.path / "owner.json"

    @property
    def cancel_file(self) -> Path:
        """A request to stop, left by `hpc-ml cancel` and seen by the controller."""
        return self.path / "cancel.json"

    @property
    def ledger_file(self) -> Path:
        return self.path / "ledger" / "units.jsonl"

    def state_file(self, name: str) -> Path:
        """Where an iterative algorithm is, to go on from there."""
        return self.path / "ledger" / f"{name}.state"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def controller_log(self) -> Path:
        return self.logs / "controller.log"

    def job_log(self, stem: Literal["controller", "worker"], job_id: str) -> Path:
        """The log of one batch job; Slurm names that of job `ID;CLUSTER` by its number."""
        return self.logs / f"{stem}-{job_id.partition(';')[0]}.log"

    @property
    def controller_script(self) -> Path:
        return self.path / "controller.sh"

    @property
    def worker_script(self) -> Path:
        return self.path / "worker.sh"

    @property
    def scheduler_file(self) -> Path:
        """The Dask scheduler's address, as `dask worker --scheduler-file` reads it."""
        return self.path / "scheduler.json"

    @property
    def tls(self) -> Path:
        return self.path / "tls"

    @property
    def tls_ca_file(self) -> Path:
        return self.tls / "ca.pem"

    @property
    def tls_cert_file(self) -> Path:
        return self.tls / "cert.pem"

    @property
    def tls_key_file(self) -> Path:
        return self.tls / "key.pem"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.json"

    @property
    def cv_results_file(self) -> Path:
        return self.path / "cv_results.csv"

    @property
    def history_file(self) -> Path:
        return self.path / "history.csv"

    @property
    def importances_file(self) -> Path:
        return self.path / "importances.csv"

    @property
    def sample_file(self) -> Path:
        return self.path / "sample.csv"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions"

    @property
    def model(self) -> Path:
        return self.path / "model"
