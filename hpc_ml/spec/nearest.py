"""The advice that follows an unknown word."""

from collections.abc import Iterable
from difflib import get_close_matches

_LISTED = 30
_SHORTEST_START = 3


def closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name that a word most likely means, or None.

    The shortest name that the word is the start of comes first; then names are compared by letters,
    whose share in common is at least `cutoff`. Upper and lower case count as the same.
    """
    names = {name.lower(): name for name in reversed([*known])}
    small = word.lower()
    longer = [name for name in names if len(small) >= _SHORTEST_START and name.startswith(small)]
    near = [min(longer, key=len)] if longer else get_close_matches(small, names, 1, cutoff)
    return names[near[0]] if near else None


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'? known: a, b, c``, with the near miss only where there is one."""
    names = [str(name) for name in known]
    close = closest(str(word), names)
    question = f"did you mean {close!r}? " if close else ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{question}known: {', '.join(names[:_LISTED])}{more}"
