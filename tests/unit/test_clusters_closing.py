"""A cluster of batch jobs leaves neither job nor key, however its closing goes."""

from pathlib import Path

import pytest

from hpc_ml.api import make_job
from hpc_ml.clusters import jobs
from hpc_ml.clusters.base import ClusterRequest
from hpc_ml.runs.layout import RunLayout
from hpc_ml.sites.loading import choose_profile


def test_a_second_ctrl_c_leaves_neither_jobs_nor_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press_again() -> None:
        raise KeyboardInterrupt

    job = make_job("gridsearch", on="slurm", site="slurm")
    layout = RunLayout(tmp_path)
    layout.tls.mkdir()
    layout.tls_key_file.touch()
    profile = choose_profile(job.on, job.site)
    request = ClusterRequest(job, layout, profile, "python", print, press_again, print)
    ended: list[dict[str, float]] = []
    monkeypatch.setattr(jobs, "end_jobs", lambda *_, **limits: ended.append(limits))
    cluster = jobs.JobWorkers(request)
    monkeypatch.setattr(cluster, "_close_scheduler", press_again)

    with pytest.raises(KeyboardInterrupt):
        cluster.close()

    assert [limits["grace_s"] for limits in ended] == [0]
    assert not layout.tls.exists()
