"""Disks that are full or read-only, as real mounts."""

import os
import subprocess

import pytest


@pytest.fixture
def small_disk(tmp_path):
    """A folder with room for about 1 MiB."""
    yield from _mount(tmp_path / "small", "size=1m")


@pytest.fixture
def read_only_folder(tmp_path):
    """A folder that nobody can write to, root included."""
    yield from _mount(tmp_path / "read-only", "ro")


def _mount(folder, options):
    if os.geteuid() != 0:
        pytest.skip("mounting a disk needs root: run this test as root")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)
