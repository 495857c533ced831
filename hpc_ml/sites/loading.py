"""Site profiles: shipped with the package, or the user's own, which win."""

from pathlib import Path
from typing import Literal

from hpc_ml.errors import BadSite
from hpc_ml.sites.flavour import installed_flavour
from hpc_ml.sites.profile import SiteProfile
from hpc_ml.spec.complaints import validate
from hpc_ml.spec.nearest import nearest
from hpc_ml.spec.paths import expand_home
from hpc_ml.spec.yaml_file import KeyPath, read_yaml

_SHIPPED = Path(__file__).parent / "profiles"
PROFILE_ENDINGS = (".yaml", ".yml")
_FITTING = {"slurm": ("slurm",), "pbs": ("pbs", "torque")}


def user_folder() -> Path:
    """Return the folder of the user's own profiles."""
    from platformdirs import user_config_path

    return user_config_path("hpc-ml") / "sites"


def names() -> list[str]:
    """Return the names of all profiles, the user's and the shipped ones."""
    paths = (*user_folder().glob("*.yaml"), *_SHIPPED.glob("*.yaml"))
    return sorted({path.stem for path in paths})


def find_profile(name: str) -> Path:
    """Return the file of a profile, given its name or a path that ends in .yaml.

    Raises BadSite for an unknown name, with the known ones.
    """
    if name.endswith(PROFILE_ENDINGS):
        return expand_home(name)
    for folder in (user_folder(), _SHIPPED):
        path = folder / f"{name}.yaml"
        if path in folder.glob("*.yaml"):  # a name is no path, and may be longer than one can be
            return path
    raise BadSite(f"there is no site profile {name!r}", hint=nearest(name, names()))


def load_profile(name: str) -> SiteProfile:
    """Return a profile, given its name or a path that ends in .yaml.

    Raises BadSite, with the line, for a file that is not there or not a profile.
    """
    path = find_profile(name)
    file = read_yaml(path, error=BadSite)
    places = file.places

    def place_of(key: KeyPath) -> str:
        return next(
            (places[key[:n]] for n in range(len(key), 0, -1) if key[:n] in places), file.name
        )

    try:
        return validate(SiteProfile, {"name": path.stem, **file.values}, place_of, error=BadSite)
    except BadSite as bad:
        raise BadSite(bad.problem, where=bad.where or file.name, hint=bad.hint) from None


def choose_profile(on: str, site: str | None) -> SiteProfile:
    """Return the profile of a job that runs on a scheduler.

    Parameters
    ----------
    on : str
        Where the job runs: slurm or pbs.
    site : str or None
        Name or path of a profile; None: the generic one, for pbs of the flavour installed here.

    Raises
    ------
    BadSite
        For a profile that is not there, not valid, or of another scheduler.
    SchedulerMissing
        Where no site is given and no PBS is installed.
    """
    profile = load_profile(site if site is not None else _generic(on))
    if profile.scheduler not in _FITTING[on]:
        right = "slurm" if profile.scheduler == "slurm" else "pbs"
        raise BadSite(
            f"site {profile.name} runs {profile.scheduler}, and --on {on} was asked",
            hint=f"use --on {right}, or another --site",
        )
    return profile


def _generic(on: str) -> Literal["slurm", "pbs", "torque"]:
    if on == "slurm":
        return "slurm"
    return "pbs" if installed_flavour() == "pbs" else "torque"
