"""Scalars as the core schema of YAML 1.2 reads them (https://yaml.org/spec/1.2.2/, 10.3.2)."""

import math
import re

Scalar = None | bool | int | float | str

TAG = "tag:yaml.org,2002:"

# More digits than these are no number that anyone means, and slow to convert.
_INT = re.compile(r"[-+]?[0-9]{1,300}|0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,300}|[0-9]{1,300}(\.[0-9]{0,300})?)([eE][-+]?[0-9]{1,9})?")
_INFINITY = re.compile(r"[-+]?\.(inf|Inf|INF)")
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}


def read_scalar(text: str) -> Scalar:
    """Return the value of a plain (unquoted) scalar: null, bool, int, float or the text itself.

    `on`, `yes` and `no` stay text, `1e-5` is a float, and nothing is a date.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITY.fullmatch(text):
        return -math.inf if text.startswith("-") else math.inf
    return text


def tag_of(value: Scalar) -> str:
    """Return YAML's tag of a scalar's type."""
    kinds = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str"}
    return TAG + kinds[type(value)]
