"""What a model cannot predict is refused, and said where it is."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import hpc_ml
from hpc_ml.api import check
from hpc_ml.errors import BadData, BadInput
from tests.local.predicting import make_blobs_and_model, predict_all, train


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    """A model of columns a to e."""
    return make_blobs_and_model(tmp_path_factory.mktemp("blobs"))[0]


LABELLED = "label,a,b,c,d,e\nred,0.5,1,2,3,4\nblue,1.5,1,2,3,4\n"
CSV = "id,a,b,c,d,e\n1,0.5,1,2,3,4\n2,1.5,1,2,3,4\n"


@pytest.mark.parametrize(
    ("text", "keys", "said"),
    [
        (CSV.replace("c,", "cc,"), {}, "no column 'c', which the model .* did you mean 'cc'"),
        (CSV.replace("0.5", "low"), {}, "column 'a' holds string, and the model was fitted on num"),
        (CSV, {"carry": ["ida"]}, "carry: 'ida' is no column; did you mean 'id'"),
        (CSV.replace("id", "prediction"), {"carry": ["prediction"]}, "name of a column of predict"),
        (CSV, {"output": ["cluster"]}, "has no cluster; it has label, probability, decision"),
        (CSV, {"scoring": "accuracy"}, "scoring: accuracy needs a target"),
        (CSV.replace("id", "label"), {"scoring": "accuracy"}, "target 'label' holds int64"),
        (LABELLED, {"scoring": "roc_auc_ovr"}, "roc_auc_ovr needs all rows at once"),
        (LABELLED, {"scoring": "acuracy"}, "did you mean 'accuracy'"),
        (CSV, {"model": "nothing"}, "no run 'nothing'"),
        (CSV, {"data": {"columns": ["a", "b"]}}, "names others than the columns that the model"),
        (CSV, {"data": {"weight": "id"}}, "data.weight is for training"),
        (CSV, {"data": {"target": "price"}, "scoring": "accuracy"}, "'price', which is no column"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_anything_runs(tmp_path, blobs, text, keys, said):
    keys = dict(keys)
    (tmp_path / "rows.csv").write_text(text)
    data = {"path": str(tmp_path / "rows.csv"), **keys.pop("data", {})}
    words = {"model": str(blobs), "data": data, **keys}

    with pytest.raises(BadInput, match=said):
        check(hpc_ml.make_job("predict", **words))


def test_a_wide_array_with_an_infinite_value_is_refused_at_its_place(client, tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 5001))
    rows[:, -1] = np.arange(40) % 2
    np.save(tmp_path / "rows.npy", rows)
    data = {"path": str(tmp_path / "rows.npy")}
    model = train(tmp_path / "trained", LogisticRegression(), data)

    metrics, _ = predict_all(client, tmp_path / "run", model, data)
    assert metrics["test_accuracy"] == 1.0
    rows[30, 17] = np.inf
    np.save(tmp_path / "rows.npy", rows)
    with pytest.raises(BadData, match=r"rows\.npy, row \d+ and the rows after it: .* infinity"):
        predict_all(client, tmp_path / "refused", model, data)
