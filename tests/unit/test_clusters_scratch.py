"""What Dask spills and imports from lies in a folder that is the user's own, or nothing starts."""

import os
import stat
from pathlib import Path

import pytest

from hpc_ml.clusters.scratch import make_scratch
from hpc_ml.errors import NoCluster


def test_it_is_made_for_its_user_alone_and_made_once(tmp_path: Path) -> None:
    before = os.umask(0)
    made = make_scratch(tmp_path)
    os.umask(before)
    assert made == tmp_path / f"hpc-ml-{os.geteuid()}"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert make_scratch(tmp_path) == made


def test_what_was_open_to_others_is_closed(tmp_path: Path) -> None:
    made = make_scratch(tmp_path)
    made.chmod(0o777)
    make_scratch(tmp_path)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


@pytest.mark.parametrize("trap", ["link", "other", "file"])
def test_what_another_has_laid_there_is_refused(tmp_path: Path, trap: str) -> None:
    path = tmp_path / f"hpc-ml-{os.geteuid()}"
    if trap == "link":
        (tmp_path / "elsewhere").mkdir()
        path.symlink_to(tmp_path / "elsewhere")
    elif trap == "file":
        path.write_text("")
    elif os.geteuid() == 0:
        path.mkdir()
        os.chown(path, 65534, 65534)
    else:
        pytest.skip("giving a folder away needs root: run this test as root")
    with pytest.raises(NoCluster, match="set TMPDIR to a folder of your own"):
        make_scratch(tmp_path)


def test_it_lies_where_the_user_has_dask_put_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dask.config

    with dask.config.set({"temporary-directory": str(tmp_path / "local")}):
        assert make_scratch().parent == tmp_path / "local"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert make_scratch().parent == tmp_path
