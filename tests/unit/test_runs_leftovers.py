"""What killed writers had begun goes when their run is resumed."""

from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.leftovers import remove_begun


def test_what_was_written_in_part_goes_and_a_request_to_stop_stays(make_run):
    run: RunFolder = make_run()
    whole = sorted(run.path.rglob("*"))
    (run.path / "predictions").mkdir()
    (run.path / ".model.0a1b2c3d.old" / "deep").mkdir(parents=True)
    for name in ("", "ledger/", "predictions/"):
        (run.path / f"{name}.part-1.parquet.0a1b2c3d").touch()
    request = run.path / ".cancel.json.0a1b2c3d"
    request.touch()
    remove_begun(run.layout)
    assert sorted(run.path.rglob("*")) == sorted([*whole, run.path / "predictions", request])
