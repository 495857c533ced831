"""Preparation as the job declares it: what it makes, and what it refuses."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from pydantic import ValidationError
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GroupShuffleSplit
from sklearn.preprocessing import MinMaxScaler, OrdinalEncoder, StandardScaler

from hpc_ml.data import DataSource, inspect, load
from hpc_ml.data.derived import date_part
from hpc_ml.data.preparation import ordinal_features
from hpc_ml.errors import BadData
from hpc_ml.spec.data import Data

ROWS = 120


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, ROWS).astype(float),
            "income": rng.lognormal(10, 1, ROWS),
            "city": rng.choice(["Rome", "Oslo", "Bern"], ROWS),
            "seen": pd.Timestamp("2026-02-27 22:00") + pd.to_timedelta(np.arange(ROWS) * 3, "h"),
            "who": rng.integers(0, 12, ROWS),
            "label": rng.integers(0, 2, ROWS),
        }
    )


def source_of(frame, tmp_path, *, test_size=0.0, stratify=True, **words):
    path = tmp_path / "t.parquet"
    frame.to_parquet(path, index=False)
    words = {"target": "label"} | words
    return DataSource(Data(path=str(path), **words), 3, test_size, stratify, True)


@pytest.mark.parametrize(
    ("part", "expected"),
    [("year", "year"), ("month", "month"), ("day", "day"), ("hour", "hour"),
     ("weekday", "day_of_week")],
)  # fmt: skip
@pytest.mark.parametrize(
    "kind", ["datetime64[ns]", "datetime64[s, Europe/Oslo]", "datetime64[s, UTC]", "words"]
)
def test_parts_of_dates_are_those_of_pandas(frame, part, expected, kind):
    seen = frame["seen"]
    if kind == "words":
        column = pa.array(seen.dt.strftime("%Y-%m-%d %H:%M:%S"))
    else:
        zone = kind.partition(", ")[2].rstrip("]")
        seen = seen.dt.tz_localize("UTC").dt.tz_convert(zone) if zone else seen
        column = pa.Array.from_pandas(seen)
    made = date_part(column, part, "seen").to_pylist()
    assert made == getattr(seen.dt, expected).tolist()


def test_a_missing_date_has_no_parts():
    column = pa.array([None, "2026-11-20"])
    assert date_part(column, "day", "seen").to_pylist() == [None, 20]


def test_dates_and_new_names_are_kept_with_the_preparation(frame, tmp_path):
    words = {
        "rename": {"seen": "when", "age": "years"},
        "dates": {"when": ["hour", "weekday"]},
        "columns": ["years", "city", "when"],
        "categorical": ["when_weekday"],
    }
    table = load(source_of(frame, tmp_path, **words))
    assert table.feature_names == (
        "years", "when_hour", "city_Bern", "city_Oslo", "city_Rome",
        *(f"when_weekday_{day}" for day in range(7)),
    )  # fmt: skip
    np.testing.assert_array_equal(table.X_train[:, 1], frame["seen"].dt.hour)

    path = tmp_path / "preparation.skops"
    skops.io.dump(table.preparation, path)
    names = skops.io.get_untrusted_types(file=path)
    assert names == ["hpc_ml.data.preparation_steps.DeriveColumns"]
    again = skops.io.load(path, trusted=names)
    raw = pd.read_parquet(tmp_path / "t.parquet")[["label", "seen", "city", "age"]]
    np.testing.assert_array_equal(again.transform(raw), table.X_train)


@pytest.mark.parametrize(("scale", "scaler"), [("standard", StandardScaler()),
                                               ("minmax", MinMaxScaler())])  # fmt: skip
def test_numbers_are_scaled_by_the_training_part(frame, tmp_path, scale, scaler):
    table = load(source_of(frame, tmp_path, test_size=0.25, columns=["age", "income"], scale=scale))
    plain = load(source_of(frame, tmp_path, test_size=0.25, columns=["age", "income"]))
    np.testing.assert_allclose(table.X_train, scaler.fit_transform(plain.X_train), rtol=1e-12)
    np.testing.assert_allclose(table.X_test, scaler.transform(plain.X_test), rtol=1e-12)


def test_each_column_is_imputed_by_its_own_strategy(frame, tmp_path):
    frame.loc[::7, ["age", "income", "city"]] = None
    words = {
        "columns": ["age", "income", "city"], "encode": "ordinal",
        "impute": {"age": "mean", "income": {"constant": -1}, "city": {"constant": "nowhere"}},
    }  # fmt: skip
    table = load(source_of(frame, tmp_path, **words))
    assert table.feature_names == ("age", "income", "city")
    np.testing.assert_allclose(
        table.X_train[:, [0]], SimpleImputer().fit_transform(frame[["age"]].to_numpy())
    )
    assert (table.X_train[::7, 1] == -1).all()
    cities = frame[["city"]].astype(object).fillna("nowhere")
    np.testing.assert_array_equal(table.X_train[:, [2]], OrdinalEncoder().fit_transform(cities))
    assert ordinal_features(table.preparation) == (2,)
    unknown = frame.assign(city="Paris").iloc[:1]
    assert table.preparation.transform(unknown)[0, 2] == -1


def test_other_columns_keep_the_policy_of_the_job(frame, tmp_path):
    frame.loc[3, ["age", "income"]] = None
    source = source_of(frame, tmp_path, columns=["age", "income"], impute={"age": "mean"})
    with pytest.raises(BadData, match="column 'income' has 1 missing value"):
        inspect(source)
    dropping = source_of(
        frame, tmp_path, columns=["age", "income"], impute={"age": "mean"}, missing="drop"
    )
    assert load(dropping).X_train.shape == (ROWS - 1, 2)


def test_the_last_rows_in_time_are_held_out(frame, tmp_path):
    shuffled = frame.sample(frac=1, random_state=0, ignore_index=True)
    columns = {"columns": ["age", "income"]}
    table = load(source_of(shuffled, tmp_path, test_size=0.25, order_by="seen", **columns))
    np.testing.assert_array_equal(table.X_test, frame[["age", "income"]][-30:])
    table = load(source_of(shuffled, tmp_path, test_size=0.25, split="time", **columns))
    np.testing.assert_array_equal(table.X_test, shuffled[["age", "income"]][-30:])


def test_no_group_is_torn_apart(frame, tmp_path):
    words = {"columns": ["age"], "group": "who", "weight": "income"}
    table = load(source_of(frame, tmp_path, test_size=0.25, **words))
    split = GroupShuffleSplit(1, test_size=0.25, random_state=3)
    train, test = next(split.split(frame, groups=frame["who"]))
    np.testing.assert_array_equal(table.group_train, frame["who"][train])
    np.testing.assert_array_equal(table.group_test, frame["who"][test])
    np.testing.assert_array_equal(table.weight_train, frame["income"][train])
    np.testing.assert_array_equal(table.X_test[:, 0], frame["age"][test])


def test_what_is_done_is_told(frame, tmp_path):
    frame.loc[::7, ["age", "income"]] = None
    words = {
        "dates": {"seen": ["hour"]}, "encode": "ordinal", "scale": "standard", "missing": "impute",
        "impute": {"age": "most_frequent"}, "weight": "who", "split": "time",
    }  # fmt: skip
    told = "\n".join(inspect(source_of(frame, tmp_path, test_size=0.25, **words)).notes)
    for line in (
        "3 numeric columns brought to mean 0 and variance 1: 'age', 'income', 'seen_hour'",
        "encoded as numbers: 'city' (3 categories)",
        "missing values imputed (median, most frequent category, empty text): 'income'",
        "missing values imputed: 'age' by most frequent",
        "rows weighed by 'who'",
        "30 of 120 rows held out for the score: the last in time, as they lie",
    ):
        assert line in told


BAD = {
    "an unknown column to rename": (
        {"rename": {"sen": "when"}}, "data.rename names 'sen', which is no column; did you mean",
    ),
    "two columns of one name": ({"rename": {"age": "income"}}, "make a column 'income', and"),
    "an unknown date": ({"dates": {"when": ["hour"]}}, "data.dates names 'when'"),
    "numbers as dates": ({"dates": {"age": ["hour"]}}, "column 'age', which holds double, not"),
    "words as dates": (
        {"drop": ["seen"], "dates": {"city": ["hour"]}},
        "column 'city' holds 'Rome', which is no date; write dates",
    ),
    "dates as they are": ({}, "column 'seen' holds dates or times"),
    "a mean of words": (
        {"drop": ["seen"], "impute": {"city": "mean"}},
        "data.impute, column 'city': mean is for numbers, and this holds categories",
    ),
    "a word for a number": (
        {"drop": ["seen"], "impute": {"age": {"constant": "x"}}}, "column 'age': the constant is",
    ),
    "a column that is not learned from": (
        {"columns": ["age"], "impute": {"age": "mean"}, "weight": "city"},
        "data.weight names column 'city', which holds",
    ),
    "weights below 0": (
        {"columns": ["age"], "weight": "cold"}, "weight 'cold' has a negative value",
    ),
    "no weights": ({"columns": ["age"], "weight": "zero"}, "weight 'zero' is 0 in all rows"),
    "fractions as groups": ({"columns": ["age"], "group": "income"}, "whole numbers or words"),
    "an order of words": ({"columns": ["age"], "order_by": "city"}, "dates or numbers are needed"),
    "a missing weight": ({"columns": ["age"], "weight": "gap"}, "weight 'gap' has 1 missing value"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_prepared_is_refused(frame, tmp_path, case):
    words, problem = BAD[case]
    frame = frame.assign(cold=-1.0, zero=0, gap=[None, *range(ROWS - 1)])
    source = source_of(frame, tmp_path, test_size=0.25, **words)
    for look in (inspect, load):
        with pytest.raises(BadData) as refused:
            look(source)
        assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"drop": ["a"], "columns": ["a"]}, "data.drop leaves out 'a', which another key names"),
        ({"weight": "w", "columns": ["w"]}, "data.weight 'w' is also a column to learn from"),
        ({"weight": "w", "group": "w"}, "data.weight and data.group name the same column 'w'"),
        ({"split": "random", "order_by": "t"}, "leave out data.split: random"),
        ({"split": "time", "group": "q"}, "rows held out by time would tear apart"),
        ({"text": "t", "scale": "standard"}, "data.text is learned from alone"),
        ({"dates": {"t": []}}, "data.dates names no part of 't'"),
        ({"dates": {"t": ["minute"]}}, "'year', 'month', 'day', 'weekday' or 'hour'"),
        ({"rename": {"a": "b", "c": "b"}}, "gives two columns the same name"),
        ({"columns": ["a"], "impute": {"b": "mean"}}, "data.impute names 'b', which data.columns"),
    ],
)
def test_words_that_contradict_each_other_are_refused(words, problem):
    with pytest.raises(ValidationError) as refused:
        Data(path="t.csv", **words)
    assert problem in str(refused.value)
