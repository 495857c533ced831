"""A cluster of worker processes on this machine."""

from distributed import LocalCluster


def start_cluster(**options: object) -> LocalCluster:
    return LocalCluster(
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=":0",
        # Dask would silence the handlers of pytest too, for all tests that follow.
        silence_logs=False,
        **options,
    )
