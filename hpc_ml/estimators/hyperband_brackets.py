"""How many candidates Hyperband and successive halving train for how long: pure.

L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh and A. Talwalkar, Hyperband: A Novel Bandit-Based
Approach to Hyperparameter Optimization, JMLR 18 (2018), algorithm 1.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rung:
    """One stage of a bracket.

    Parameters
    ----------
    candidates : int
        How many are trained in it.
    calls : int
        Calls of `partial_fit` that each of them has had at its end, earlier ones included.
    """

    candidates: int
    calls: int


Bracket = tuple[Rung, ...]


def hyperband_brackets(max_iter: int, factor: int) -> list[Bracket]:
    """Return the brackets of Hyperband, the one that halves most often first.

    Parameters
    ----------
    max_iter : int
        R of the paper: the most calls of `partial_fit` that a candidate gets.
    factor : int
        Eta of the paper: one of this many candidates goes on to the next rung.
    """
    halvings = 0
    while factor ** (halvings + 1) <= max_iter:
        halvings += 1
    brackets = []
    for left in range(halvings, -1, -1):
        candidates = -(-(halvings + 1) * factor**left // (left + 1))
        rungs = [
            Rung(candidates // factor**rung, max(1, max_iter * factor**rung // factor**left))
            for rung in range(left + 1)
        ]
        brackets.append(tuple(rungs))
    return brackets


def halving_bracket(n_candidates: int, min_iter: int, max_iter: int, factor: int) -> Bracket:
    """Return one bracket: from so many candidates to one, or until `max_iter` is reached."""
    rungs = [Rung(n_candidates, min(min_iter, max_iter))]
    while rungs[-1].candidates > 1 and rungs[-1].calls < max_iter:
        last = rungs[-1]
        rungs.append(Rung(max(1, last.candidates // factor), min(last.calls * factor, max_iter)))
    return tuple(rungs)
