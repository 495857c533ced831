"""The advice that follows an unknown word."""

from collections.abc import Iterable
from difflib import get_close_matches

_LISTED = 30


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'? known: a, b, c``, with the near miss only where there is one."""
    names = [str(name) for name in known]
    close = get_close_matches(str(word), names, n=1, cutoff=0.6)
    question = f"did you mean {close[0]!r}? " if close else ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{question}known: {', '.join(names[:_LISTED])}{more}"
