"""Two worker processes of one thread each, shared by all tests of this folder."""

from collections.abc import Iterator

import pytest
from distributed import Client, LocalCluster
from worker_processes import start_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalCluster]:
    with start_cluster(n_workers=2) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster) as client:
        yield client
