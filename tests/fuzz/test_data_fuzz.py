"""Whatever bytes a file has, hpc-ml reads it or says in one line why not."""

import io

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpc_ml.data import DataSource, inspect, load
from hpc_ml.errors import BadData
from hpc_ml.spec.data import Data

ROWS = {"n": [1.0, 2.0, 3.0, 4.0] * 3, "c": ["a", "b", "a", "b"] * 3, "label": [0, 1] * 6}


def read_or_refuse(path, content):
    path.write_bytes(content)
    source = DataSource(Data(path=str(path), missing="drop"), 0, 0.0, False, True)
    answers = []
    for look in (inspect, load):
        try:
            look(source)
            answers.append(None)
        except BadData as error:
            answers.append(str(error))
            assert "\n" not in str(error)
    assert (answers[0] is None) == (answers[1] is None)


def good_file(form):
    file = io.BytesIO()
    frame = pd.DataFrame(ROWS)
    if form == "csv":
        frame.to_csv(file, index=False)
    elif form == "parquet":
        frame.to_parquet(file)
    elif form == "npy":
        np.save(file, frame[["n", "label"]].to_numpy())
    elif form == "npz":
        np.savez(file, X=frame[["n"]], y=frame["label"])
    elif form == "jsonl":
        frame.to_json(file, orient="records", lines=True)
    elif form == "arrow":
        frame.to_feather(file, compression="uncompressed")
    elif form == "hdf5":
        with h5py.File(file, "w") as store:
            store["X"], store["y"] = frame[["n"]], frame["label"]
    else:
        file.write(b"".join(b"%d 1:%d 3:2.5 # note\n" % (row % 2, row) for row in range(12)))
    return file.getvalue()


FORMS = ("csv", "parquet", "npy", "npz", "svmlight", "jsonl", "arrow", "hdf5")
GOOD = {form: good_file(form) for form in FORMS}


@st.composite
def damaged(draw, form):
    """A good file with a few bytes changed, taken out or put in."""
    content = bytearray(GOOD[form])
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 8)))
        content[start:end] = draw(st.binary(max_size=8))
    return bytes(content)


def contents(form):
    return st.one_of(st.binary(max_size=200), damaged(form))


# Of each form a share of what the profile says.
fuzzed = settings(max_examples=max(30, settings.default.max_examples // 60))


@fuzzed
@example(content=b'n,label\n1,"\n')
@example(content=b"\r\n\r")
@example(content=b"\x1f\x8b\x08\x00")
@given(content=st.one_of(contents("csv"), st.text('1,"ab\n\r;\té ', max_size=60).map(str.encode)))
def test_any_bytes_as_csv(tmp_path, content):
    read_or_refuse(tmp_path / "t.csv", content)


@pytest.mark.parametrize("form", FORMS[1:])
def test_any_bytes_as(tmp_path, form):
    @fuzzed
    @given(content=contents(form))
    def check(content):
        read_or_refuse(tmp_path / f"t.{form}", content)

    check()


@fuzzed
@given(
    text=st.text(max_size=60),
    call=st.sampled_from(["{}", "make_moons({})", "make_moons(noise={})"]),
)
def test_any_words_as_a_name(text, call):
    source = DataSource(Data(name=call.format(text)), 0, 0.0, False, True)
    try:
        inspect(source)
    except BadData as error:
        assert "\n" not in str(error)
