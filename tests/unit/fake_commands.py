"""Commands of a scheduler, played by small scripts; no other command is found."""

import shlex
from pathlib import Path

import pytest


class FakeCommands:
    """A folder of commands that write down how they were called."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self._folder = folder
        self._log = folder / "calls"
        monkeypatch.setenv("PATH", str(folder))

    def add(self, name: str, body: str) -> None:
        """Make a command whose body is shell."""
        path = self._folder / name
        note = f'{{ printf "%q " {name} "$@"; echo; }} >>{shlex.quote(str(self._log))}'
        path.write_text(f"#!/bin/bash\nPATH=/usr/bin:/bin\n{note}\n{body}\n")
        path.chmod(0o755)

    def calls(self) -> list[list[str]]:
        """Return the words of each call, the command first."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [shlex.split(line) for line in lines]
