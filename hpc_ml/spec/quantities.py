"""Walltimes and amounts of memory: how they are written and what they mean."""

import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

KIB, MIB, GIB = 2**10, 2**20, 2**30

_UNIT_BYTES = {
    "": GIB,
    "b": 1,
    "k": KIB, "kib": KIB, "kb": 10**3,
    "m": MIB, "mib": MIB, "mb": 10**6,
    "g": GIB, "gib": GIB, "gb": 10**9,
    "t": 2**40, "tib": 2**40, "tb": 10**12,
}  # fmt: skip
# What is longer is beyond any machine, and may be beyond a float.
_MEMORY = re.compile(r"(?P<number>\d{1,20}(\.\d+)?)\s*(?P<unit>[A-Za-z]*)")
_MOST_WALLTIME_S = 3_650 * 86_400
_UNITS_OF_TIME = re.compile(r"((?P<d>\d+)d)?((?P<h>\d+)h)?((?P<m>\d+)m)?((?P<s>\d+)s)?")
_CLOCK = re.compile(r"((?P<d>\d+)-)?(?P<h>\d+):(?P<m>[0-5]?\d):(?P<s>[0-5]?\d)")
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}

WALLTIME_FORMS = "minutes (90), 30m, 1h30m, HH:MM:SS or D-HH:MM:SS"
MEMORY_FORMS = "GiB (16), or a number with a unit: 512 MiB, 16 GiB, 16GB"


def parse_walltime(value: object) -> int:
    """Return a walltime in seconds.

    Takes minutes as a bare number (as Slurm does), ``30m``, ``1h30m``, ``HH:MM:SS`` or
    ``D-HH:MM:SS``. Raises ValueError for anything else, and for zero.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{value!r} is not a walltime: write {WALLTIME_FORMS}")
    text = str(value).strip()
    if re.fullmatch(r"\d+", text):
        seconds = 60 * int(text)
    elif match := (_CLOCK.fullmatch(text) or _UNITS_OF_TIME.fullmatch(text.lower())):
        seconds = sum(_SECONDS[unit] * int(n) for unit, n in match.groupdict().items() if n)
    else:
        raise ValueError(f"{text!r} is not a walltime: write {WALLTIME_FORMS}")
    if seconds <= 0:
        raise ValueError(f"{text!r} is not a walltime: it must be longer than zero")
    if seconds > _MOST_WALLTIME_S:
        raise ValueError(f"{text!r} is not a walltime: it is longer than ten years")
    return seconds


def parse_memory(value: object) -> int:
    """Return an amount of memory in bytes; a bare number is GiB. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is not an amount of memory: write {MEMORY_FORMS}")
    match = _MEMORY.fullmatch(str(value).strip())
    if match is None or match["unit"].lower() not in _UNIT_BYTES:
        raise ValueError(f"{str(value)!r} is not an amount of memory: write {MEMORY_FORMS}")
    amount = round(float(match["number"]) * _UNIT_BYTES[match["unit"].lower()])
    if amount < MIB:
        raise ValueError(f"{str(value)!r} is less than 1 MiB of memory: write {MEMORY_FORMS}")
    return amount


def format_walltime(seconds: int) -> str:
    """Return ``HH:MM:SS``, the form that both Slurm and PBS read; hours may pass 24."""
    hours, rest = divmod(seconds, 3_600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}"


def format_memory(size_bytes: int) -> str:
    """Return the shortest exact of ``16 GiB``, ``512 MiB``, ``1000000000 B``."""
    for unit, unit_bytes in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if size_bytes % unit_bytes == 0:
            return f"{size_bytes // unit_bytes} {unit}"
    return f"{size_bytes} B"


def ceil_mib(size_bytes: int) -> int:
    """Return whole MiB, rounded up: the unit in which schedulers are asked."""
    return -(-size_bytes // MIB)


Walltime = Annotated[
    int,
    BeforeValidator(parse_walltime),
    PlainSerializer(format_walltime, return_type=str),
    WithJsonSchema({"type": "string", "format": "walltime"}),
]
Memory = Annotated[
    int,
    BeforeValidator(parse_memory),
    PlainSerializer(format_memory, return_type=str),
    WithJsonSchema({"type": "string", "format": "memory"}),
]
