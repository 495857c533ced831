"""How many candidates are trained for how long."""

import pytest

from hpc_ml.estimators.hyperband_brackets import halving_bracket, hyperband_brackets


def test_the_brackets_of_the_paper() -> None:
    """Algorithm 1 of Li et al., JMLR 18 (2018), with R = 81 and eta = 3."""
    rungs = [
        [(rung.candidates, rung.calls) for rung in bracket] for bracket in hyperband_brackets(81, 3)
    ]
    assert rungs == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]


@pytest.mark.parametrize("max_iter", [1, 2, 9, 26, 100, 243])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_every_bracket_ends_at_the_most_calls(max_iter: int, factor: int) -> None:
    for bracket in hyperband_brackets(max_iter, factor):
        assert bracket[-1].calls == max_iter
        assert all(rung.candidates >= 1 for rung in bracket)
        calls = [rung.calls for rung in bracket]
        assert calls == sorted(set(calls))


def test_one_bracket_of_halving() -> None:
    rungs = [(rung.candidates, rung.calls) for rung in halving_bracket(20, 2, 30, 3)]
    assert rungs == [(20, 2), (6, 6), (2, 18), (1, 30)]
    assert [rung.calls for rung in halving_bracket(1, 5, 30, 3)] == [5]
