"""Walltimes, memory, and the words that reach a script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hpc_ml.spec.job import Job
from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.nearest import nearest
from hpc_ml.spec.quantities import (
    ceil_mib,
    format_memory,
    format_walltime,
    parse_memory,
    parse_walltime,
)
from hpc_ml.spec.resources import Resources


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (90, 5400), ("90", 5400), ("30m", 1800), ("1h30m", 5400), ("1H30M", 5400), ("2d", 172_800),
        ("45s", 45), ("01:30:00", 5400), ("100:00:00", 360_000), ("1-00:00:00", 86_400),
        (" 1h ", 3600),
    ],
)  # fmt: skip
def test_walltimes(text, seconds):
    assert parse_walltime(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "0", "0m", "-5", "1.5h", "30:00", "1h30", "h", "1:60:00", "one", True, None, 1.5, [1]],
)
def test_what_is_no_walltime_is_told_with_the_forms(text):
    with pytest.raises(ValueError, match="is not a walltime: "):
        parse_walltime(text)


@given(st.integers(1, 10**8))
def test_walltimes_are_written_as_they_are_read(seconds):
    assert parse_walltime(format_walltime(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        (16, 16 * 2**30), ("16", 16 * 2**30), (0.5, 2**29), ("512 MiB", 2**29), ("512MiB", 2**29),
        ("16GB", 16 * 10**9), ("16 gib", 16 * 2**30), ("16G", 16 * 2**30), ("1.5 TiB", 3 * 2**39),
        ("2097152b", 2**21),
    ],
)  # fmt: skip
def test_memory(text, size_bytes):
    assert parse_memory(text) == size_bytes


@pytest.mark.parametrize("text", ["", "lots", "16 XB", "-1", "1 GiB GiB", "0", "1 KiB", True, None])
def test_what_is_no_memory_is_told_with_the_forms(text):
    with pytest.raises(ValueError, match="memory: write GiB"):
        parse_memory(text)


@given(st.integers(2**20, 2**50))
def test_memory_is_written_as_it_is_read_and_asked_for_in_full(size_bytes):
    assert parse_memory(format_memory(size_bytes)) == size_bytes
    assert 0 <= ceil_mib(size_bytes) * 2**20 - size_bytes < 2**20


DANGEROUS = [
    "a b",
    "a;b",
    "a\nb",
    "$(id)",
    "`id`",
    "a>b",
    "a|b",
    "-x",
    "",
    "a'b",
    'a"b',
    "a\0",
    "é",
]


@pytest.mark.parametrize("word", DANGEROUS)
@pytest.mark.parametrize("key", ["queue", "account"])
def test_names_that_reach_a_script_are_plain(key, word):
    with pytest.raises(ValidationError):
        Resources.model_validate({key: word})


@pytest.mark.parametrize(
    "word", ["normal", "gpu-a100", "q@server", "ab12", "a,b", "x/y", "1", "a:b"]
)
def test_names_that_schedulers_use_are_taken(word):
    assert Resources.model_validate({"queue": word}).queue == word


@pytest.mark.parametrize(
    "word",
    ["", "x", "-a\nb", "-a;b", "-a $HOME", "-a `id`", "-a > b", "-a # b", "-a < b", "-a \\ b"],
)
def test_directives_cannot_leave_their_line(word):
    with pytest.raises(ValidationError):
        Resources.model_validate({"directives": [word]})


@pytest.mark.parametrize(
    "word", ["--constraint=a100&nvlink", "-l select=1:ncpus=4", "-C '[x|y]*2'", "--exclusive"]
)
def test_directives_that_schedulers_use_are_taken(word):
    assert Resources.model_validate({"directives": [word]}).directives == (word,)


@pytest.mark.parametrize("path", ["", "a\nb", "a\x00b", "a\x7f"])
def test_paths_have_no_control_characters(path):
    with pytest.raises(ValidationError):
        Resources.model_validate({"python": path})


@pytest.mark.parametrize(
    ("place", "fits"),
    [
        ("local", True), ("slurm", True), ("pbs", True), ("tcp://10.0.0.1:8786", True),
        ("tls://[::1]:8786", True), ("torque", False), ("tcp://host", False), ("", False),
        ("tcp://a:1;rm", False), ("http://a:1", False),
    ],
)  # fmt: skip
def test_places(place, fits):
    values = {"task": "x", "on": place, "settings": {}}
    if fits:
        assert Job[SpecModel].model_validate(values).on == place
    else:
        with pytest.raises(ValidationError):
            Job[SpecModel].model_validate(values)


def test_the_nearest_word_and_a_short_list():
    assert nearest("coers", ["cores", "memory"]) == "did you mean 'cores'? known: cores, memory"
    assert nearest("xyz", ["cores"]) == "known: cores"
    assert nearest("acc", ["jaccard", "accuracy"]).startswith("did you mean 'accuracy'?")
    assert nearest("Acuracy", ["accuracy"]).startswith("did you mean 'accuracy'?")
    assert nearest("a", [f"b{n}" for n in range(40)]).endswith("b29 and 10 more")
