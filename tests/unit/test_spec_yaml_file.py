"""YAML files: what they hold, in which line, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc_ml.errors import BadJob, BadSite
from hpc_ml.spec.yaml_file import dump_yaml, parse_value, parse_yaml, read_yaml


def test_scalars_are_those_of_yaml_1_2():
    file = parse_yaml(
        "on: on\nno: no\nsmall: 1e-5\ndate: 2024-01-01\nclock: 01:30:00\n"
        "nothing: ~\noctal: 0o17\nyes: TRUE\nword: 1_000\nversion: '1.0'\nhuge: 1e5\n",
        "job.yaml",
    )
    assert file.values == {
        "on": "on", "no": "no", "small": 1e-5, "date": "2024-01-01", "clock": "01:30:00",
        "nothing": None, "octal": 15, "yes": True, "word": "1_000", "version": "1.0",
        "huge": 100000.0,
    }  # fmt: skip


def test_each_key_has_its_line():
    file = parse_yaml("a: 1\nb:\n  c: [x, {d: 1}]\n\n  e: 2\n", "job.yaml")
    assert file.places == {
        ("a",): "job.yaml:1", ("b",): "job.yaml:2", ("b", "c"): "job.yaml:3",
        ("b", "c", "1", "d"): "job.yaml:3", ("b", "e"): "job.yaml:5",
    }  # fmt: skip


def test_keys_that_are_numbers_stay_numbers():
    assert parse_yaml("weights: {0: 1.5, 1: 2}", "f").values == {"weights": {0: 1.5, 1: 2}}


def test_an_alias_stands_for_its_value():
    assert parse_yaml("a: &x [1, 2]\nb: *x", "f").values == {"a": [1, 2], "b": [1, 2]}


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "nothing in it"),
        ("# only a comment\n", 1, "nothing in it"),
        ("just words", 1, "not a mapping"),
        ("- 1\n- 2", 1, "not a mapping"),
        ("a: 1\nb: c: d", 2, "not YAML: mapping values are not allowed here"),
        ("a: [1,\n", 2, "not YAML: expected the node content"),
        ("a:\n\tb: 1", 2, "not YAML: found character '\\t'"),
        ("a: 1\nb: @x", 2, "not YAML: found character '@'"),
        ("a: 1\nb: \x01", 2, "not YAML: unacceptable character"),
        ("a: 1\nb: 2\na: 3", 3, "key 'a' is here twice, first in line 1"),
        ("1: a\ntrue: b", 2, "key 'True' is here twice"),
        ("a: 1\n---\nb: 2", 2, "not YAML: more than one document"),
        ("a: !!python/object:os.system {}", 1, "tag !!python/object:os.system"),
        ("a: !!python/object/apply:os.system ['true']", 1, "tag !!python/object/apply:os.system"),
        ("a: !custom 3", 1, "tag !custom"),
        ("a: !!int x", 1, "tag !!int"),
        ("a: *nothing", 1, "not YAML: found undefined alias 'nothing'"),
        ("a: &x [*x]", 1, "its aliases expand to too many values"),
        (BOMB, 1, "its aliases expand to too many values"),
        ("a: " + "[" * 1000, 1, "not YAML: nested more than 50 deep"),
        ("? [1, 2]\n: 3", 1, "a list or mapping cannot be a key"),
    ],
)
def test_what_is_refused_names_file_line_and_reason(tmp_path, text, line, problem):
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(BadJob) as refused:
        read_yaml(path)
    message = str(refused.value)
    assert message.startswith(f"{path}:{line}: {problem}")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "place", "problem"),
    [
        (None, "", "there is no such file"),
        (b"a: 1\nb: \xff\xfe", ":2", "not text in UTF-8"),
        (b"a: 1\n" * 300_000, "", "larger than 1,000,000 bytes"),
    ],
)
def test_a_file_that_is_no_text(tmp_path, content, place, problem):
    path = tmp_path / "job.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadSite, match=rf"job\.yaml{place}: {problem}"):
        read_yaml(path, error=BadSite)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(BadJob, match="cannot be read: is a directory"):
        read_yaml(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_yaml(path).values == {"a": 1}


def test_an_empty_file_may_be_allowed(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("# nothing yet\n")
    assert read_yaml(path, empty_ok=True).values == {}


def test_a_word_of_the_command_line_may_hold_pythons_none():
    assert parse_value("[None, 'None', 1e-3, {a: True}]", "--grid") == [
        None, "None", 1e-3, {"a": True},
    ]  # fmt: skip
    with pytest.raises(BadJob, match=r"^--grid: not YAML: "):
        parse_value("[1, 2", "--grid")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(
    st.characters(exclude_categories=["Cs"])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc1 :", max_size=4), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text("abcxyz", min_size=1), VALUES, min_size=1, max_size=4))
def test_what_is_written_reads_back(values):
    assert parse_yaml(dump_yaml(values), "f").values == values
