"""Data that would run code when they are read are refused, and run none."""

import json
import os
import pickle
from pathlib import Path

import pytest

from hpc_ml.cli.main import cli

PICKLE = {"id": "pickle", "protocol": 5}


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._path),)


def write_store(folder: Path, content: bytes, **metadata: object) -> None:
    """Write a Zarr store of version 2 whose one chunk is as given."""
    array = folder / "X"
    array.mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    plain = {
        "zarr_format": 2, "shape": [9, 2], "chunks": [9, 2], "dtype": "<f8", "order": "C",
        "fill_value": 0, "compressor": None, "filters": None,
    }  # fmt: skip
    (array / ".zarray").write_text(json.dumps(plain | metadata))
    (array / "0.0").write_bytes(content)


@pytest.mark.parametrize(
    "metadata",
    [
        {"compressor": PICKLE},
        {"filters": [PICKLE]},
        {"filters": [{"id": "shuffle", "elementsize": 8}, PICKLE]},
        {"dtype": "|O", "filters": [PICKLE]},
        {"dtype": "|O", "filters": [{"id": "vlen-utf8"}, PICKLE]},
        {"dtype": "|O", "filters": [{"id": "vlen-utf8"}], "compressor": PICKLE},
    ],
)
@pytest.mark.parametrize("careless", [False, True])
def test_a_zarr_store_is_not_unpickled(
    tmp_path: Path, metadata: dict[str, object], careless: bool,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if careless:  # as older versions of numcodecs are
        monkeypatch.setattr("numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    write_store(tmp_path / "data.zarr", pickle.dumps(Bomb(tmp_path / "boom")), **metadata)
    code = cli.main(["data", "inspect", str(tmp_path / "data.zarr")], standalone_mode=False)
    said = capfd.readouterr().err
    assert code == 2, said
    assert not (tmp_path / "boom").exists()
    assert "Traceback" not in said
