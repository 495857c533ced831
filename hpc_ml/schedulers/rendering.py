"""A batch script from its parts; pure, and the same for every scheduler."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadJob
from hpc_ml.sites.profile import SiteProfile

if TYPE_CHECKING:
    from jinja2 import Environment

_PLAIN = re.compile(r"[\w/.+@=~,:%-]+")
_QUOTABLE = re.compile(r"[\w/.+@=~,:% -]+")


@dataclass(frozen=True)
class ScriptParts:
    """What a batch script is made of.

    `prefix` starts a directive (SBATCH, PBS); `log` is the file, as a shell word, that the
    script itself sends its output to, or None where the scheduler writes the log as it comes.
    """

    prefix: str
    directives: Sequence[str]
    prologue: Sequence[str]
    body: Sequence[str]
    log: str | None = None


def render_script(parts: ScriptParts) -> str:
    """Return the text of a batch script."""
    return fill_template(
        "job.sh.j2",
        prefix=parts.prefix,
        directives=parts.directives,
        prologue=parts.prologue,
        body=parts.body,
        log=parts.log,
    )


def quote_directive_path(path: str, profile: SiteProfile) -> str:
    """Return a path as a directive takes it: in double quotes where it has a space.

    sbatch and qsub split a directive at spaces and take double quotes away; no other shell
    syntax is read there. Raises BadJob for characters that they would read otherwise.
    """
    # PBS refuses what isprint(3) refuses: letters beyond ASCII too.
    if not _QUOTABLE.fullmatch(path) or (profile.scheduler != "slurm" and not path.isascii()):
        raise BadJob(
            f"{path!r} has characters that {profile.scheduler} does not take in the path of a log",
            hint="choose another folder for the runs with --runs, "
            "of letters, digits, spaces and / . _ - + @ = ~ , : %",
        )
    return path if _PLAIN.fullmatch(path) else f'"{path}"'


def fill_template(name: str, **values: Any) -> str:
    """Return the text of a template of shell lines; a value that it needs must be given."""
    return _environment().get_template(name).render(values)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("hpc_ml.schedulers"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # `${#name[@]}` is bash's length of an array, and no comment.
        comment_start_string="{#-",
        autoescape=False,
    )
