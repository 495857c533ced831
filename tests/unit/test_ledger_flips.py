"""A bit that flips in the last record of a ledger, or of a state, is never taken for the truth."""

from collections.abc import Iterator
from pathlib import Path

from hpc_ml.errors import BadRun
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.ledger import Ledger
from hpc_ml.runs.states import States


def flips(content: bytes, first: int) -> Iterator[bytes]:
    """Yield the content with each bit flipped in turn, from a byte on."""
    for place in range(first, len(content)):
        for bit in range(8):
            flipped = bytes([content[place] ^ (1 << bit)])
            yield content[:place] + flipped + content[place + 1 :]


def fill(path: Path, unit: str) -> int:
    with Ledger.open(path) as ledger:
        ledger.append(unit, {"score": 0.948997})
    return path.stat().st_size


def test_a_flip_in_the_last_record_costs_that_unit_alone(tmp_path: Path) -> None:
    path = tmp_path / "units.jsonl"
    first = fill(path, "fit/0/0")
    fill(path, "fit/0/1")
    for content in flips(path.read_bytes(), first):
        path.write_bytes(content)
        try:
            with Ledger.open(path) as ledger:
                assert list(ledger.units) == ["fit/0/0"]
                assert ledger.dropped == 1
            assert path.stat().st_size == first
        except BadRun as error:  # a flip that makes two broken lines of one
            assert content.count(b"\n") == 3
            assert "delete the line: its unit is computed again" in str(error)


def test_a_state_with_a_flip_or_a_cut_is_refused(tmp_path: Path) -> None:
    layout = RunLayout(tmp_path)
    path = layout.state_file("sgd")
    path.parent.mkdir()
    states = States(layout)
    states.keep("sgd", lambda: b"weights")
    states.flush()
    whole = path.read_bytes()
    assert States(layout).read("sgd") == b"weights"
    for content in [*flips(whole, 0), *(whole[:size] for size in range(len(whole)))]:
        path.write_bytes(content)
        try:
            assert States(layout).read("sgd") is None
        except BadRun as error:
            assert "delete the file: the work begins anew" in str(error)
