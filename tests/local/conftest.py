"""Two worker processes of one thread each, shared by all tests of this folder."""

import logging
from collections.abc import Iterator

import pytest
from distributed import Client, LocalCluster


def start_cluster(**options: object) -> LocalCluster:
    return LocalCluster(
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=":0",
        silence_logs=logging.CRITICAL,
        **options,
    )


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalCluster]:
    with start_cluster(n_workers=2) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster) as client:
        yield client
