"""The command as a user runs it: `openmidas("photo.jpg", "-o", "out")`."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from running import Result, Run

from openmidas.cli import main


@pytest.fixture
def openmidas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the entry point in this process; its exit code and what it printed."""

    def run(*arguments: str | Path, stdin: str = "") -> Result:
        monkeypatch.setattr("sys.argv", ["openmidas", *map(str, arguments)])
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as end:
            main()
        return Result(int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the command runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
