"""Values of keys written as words: in flags, in `--set` and in the environment."""

import os.path
import re
from collections.abc import Iterable
from typing import Any

from hpc_ml.errors import BadJob
from hpc_ml.spec.allowed import variants
from hpc_ml.spec.data import is_name
from hpc_ml.spec.keys import Key
from hpc_ml.spec.scalars import read_scalar
from hpc_ml.spec.yaml_file import parse_value

_NULLS = ("null", "None", "~")
_EXAMPLES = {"values": "gamma=auto", "lists": "C=0.1,1,10"}


def read_word(key: Key, word: str, place: str) -> Any:
    """Return the value that a word gives a key, still to be validated.

    Parameters
    ----------
    key : Key
        What the word is for.
    word : str
        As it was typed. What is no plain text is YAML's flow style: `[1, 2]`, `{a: 1}`; the
        brackets around a list may be left out.
    place : str
        The option or variable, for errors.

    Raises
    ------
    BadJob
        For brackets or quotes that are not closed.
    """
    if key.form == "text":
        return None if key.optional and word in _NULLS else word
    if key.form == "source":
        return read_source(word)
    if key.form == "list":
        one = "," not in word and any(v.get("type") == "string" for v in variants(key.schema))
        return read_value(word, place) if one else _read_list(word, place)
    if key.form == "items" and not word.startswith("["):
        return [word]
    return read_value(word, place)


def read_pairs(key: Key, words: Iterable[str], place: str) -> dict[str, Any]:
    """Return the mapping that repeated NAME=VALUE or NAME=V1,V2,.. give; raises BadJob."""
    pairs: dict[str, Any] = {}
    for word in words:
        name, equals, text = (part.strip() for part in word.partition("="))
        if not (name and equals and text):
            raise BadJob(
                f"{word!r} is not {key.metavar}",
                where=place,
                hint=f"write {key.flags[0]} {_EXAMPLES[key.form]}",
            )
        if name in pairs:
            raise BadJob(f"{name} is given twice", where=place, hint="give it once")
        pairs[name] = read_entry(key, text, f"{place} {name}")
    return pairs


def read_entry(key: Key, text: str, place: str) -> Any:
    """Return the value of one name of a mapping such as `params` or `grid`."""
    return _read_list(text, place) if key.form == "lists" else read_value(text, place)


def read_value(text: str, place: str) -> Any:
    """Return the value of a word: a scalar of YAML 1.2, Python's None, or brackets and quotes."""
    text = text.strip()
    if text.startswith(("[", "{", '"', "'")):
        return parse_value(text, place)
    return None if text == "None" else read_scalar(text)


def _read_list(text: str, place: str) -> Any:
    values = parse_value(f"[{text}]", place)
    # `[1, 2]` with its brackets is the list itself, and `{loguniform: [1, 10]}` a mapping.
    bracketed = text.strip().startswith(("[", "{")) and len(values) == 1
    return values[0] if bracketed else values


def read_source(word: str) -> dict[str, str]:
    """Return `data.path` or `data.name`, whichever a word of `--data` means.

    A bundled table, a call, and a bare word without a file of that name are `name`, so that a
    typing error is met with the names that there are; all else is `path`.
    """
    bare = re.fullmatch(r"\w+", word) is not None and not os.path.exists(word)
    return {"name": word} if bare or is_name(word) else {"path": word}
