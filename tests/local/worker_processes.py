"""A cluster of worker processes on this machine, quiet."""

import logging

from distributed import LocalCluster


def start_cluster(**options: object) -> LocalCluster:
    return LocalCluster(
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=":0",
        silence_logs=logging.CRITICAL,
        **options,
    )
