"""The command line in a process of its own: any job or file ends in words, never in a traceback."""

import os
import subprocess

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.conftest import LIMIT_S, command_of
from tests.fuzz.test_data_fuzz import FORMS, damaged
from tests.fuzz.test_job_fuzz import commands
from tests.fuzz.words import CANARY

# A process takes seconds to start.
fuzzed = settings(max_examples=max(2, settings.default.max_examples // 50))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def call(folder, environ, words, variables=None):
    """Run hpc-ml on words that the system can hand over; check how it ends."""
    words = [word.replace("\0", "0") for word in words]
    note(str(words))
    done = subprocess.run(
        command_of(*words), cwd=folder, env={**environ, **(variables or {})}, timeout=LIMIT_S,
        capture_output=True, check=False, errors="surrogateescape", stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode in (0, 2), done.stderr
    assert "Traceback" not in done.stderr
    if done.returncode == 2:
        assert done.stderr.splitlines()[-1].startswith("hpc-ml: ")
    assert not (folder / CANARY).exists()
    return done


@fuzzed
@given(command=commands())
def test_any_job_by_the_command_line(folder, environ, command):
    task, words, text, variables = command
    (folder / "job.yaml").write_bytes(text)
    call(folder, environ, ["run", task, "--job", "job.yaml", *words, "--dry-run"], variables)
    assert os.listdir(folder) == ["job.yaml"]


@fuzzed
@given(form=st.sampled_from(FORMS), data=st.data())
def test_any_file_by_the_command_line(folder, environ, form, data):
    file = folder / f"t.{form}"
    file.write_bytes(data.draw(damaged(form)))
    call(folder, environ, ["data", "inspect", str(file)])
