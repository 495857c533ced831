"""The documentation names what is there."""

import re
from pathlib import Path

import pytest

from hpc_ml import estimators
from hpc_ml.cli.main import cli
from hpc_ml.errors import ExitCode
from hpc_ml.sites.profile import SiteProfile
from hpc_ml.tasks import registry

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
SITES = sorted(path.stem for path in (ROOT / "hpc_ml" / "sites" / "profiles").glob("*.yaml"))


@pytest.mark.parametrize("key", SiteProfile.model_fields)
def test_every_key_of_a_profile_is_documented(key: str) -> None:
    assert f"`{key}`" in (ROOT / "docs" / "sites.md").read_text()


@pytest.mark.parametrize("site", SITES)
def test_every_site_is_in_the_readme(site: str) -> None:
    assert f"`{site}`" in README


@pytest.mark.parametrize("task", registry.names())
def test_every_task_is_in_the_readme_and_has_a_page(task: str) -> None:
    assert f"| `{task}` |" in README
    assert (ROOT / "docs" / f"{task}.md").is_file()


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_is_in_the_readme(code: ExitCode) -> None:
    assert f"| {int(code)} |" in README


def test_the_readme_types_only_commands_that_are_there() -> None:
    typed = set(re.findall(r"(?:^\$ |`)hpc-ml ([a-z]+)", README, flags=re.MULTILINE))
    assert typed <= set(cli.list_commands(None))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_in_the_site_and_its_links_lead_somewhere(page: str) -> None:
    nav = (ROOT / "mkdocs.yml").read_text()
    assert nav.count(f": {page}\n") == 1
    links = re.findall(r"\]\(([^)#]+)", (ROOT / "docs" / page).read_text())
    here = [ROOT / "docs" / link for link in links if "://" not in link]
    assert not [path for path in here if not path.is_file()]


@pytest.mark.parametrize("name", sorted({*estimators.__all__} - {"surroundings"}))
def test_every_estimator_is_listed_and_documented(name: str) -> None:
    assert name in dir(estimators)
    assert f"`{name}`" in (ROOT / "docs" / "python.md").read_text()
