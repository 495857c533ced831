"""Words of a job, and what each kind of them may contain."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

# Queue, account and GPU type names as Slurm, PBS Pro and Torque allow them, `queue@server` too.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@:+,/-]*")
# A directive is read by the scheduler, not by a shell; `&|*[]()"` occur in constraints.
_DIRECTIVE = re.compile(r"-[A-Za-z0-9 _.@:+,/=&|*\[\]()\"'-]*")


def _check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} has characters that no scheduler takes in a name: "
            "use letters, digits and _ . @ : + , / -"
        )
    return value


def _check_directive(value: str) -> str:
    if not _DIRECTIVE.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a directive: write an option as the scheduler's own command "
            "takes it, such as '--constraint=a100', on one line and without $ ; < > ` or #"
        )
    return value


def _check_path(value: str) -> str:
    if not value or any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError(f"{value!r} is not a path: it is empty or has control characters")
    return value


SchedulerName = Annotated[str, AfterValidator(_check_name)]
Directive = Annotated[str, AfterValidator(_check_directive)]
PathText = Annotated[str, AfterValidator(_check_path)]
ScorerNames = Annotated[tuple[str, ...], Field(min_length=1)]
