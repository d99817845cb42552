"""The table of published networks, and fetching their weights from the command line."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from running import Run

from openmidas.cli import models, progress
from openmidas.cli.progress import byte_bar
from openmidas.models.weights import CHECKPOINTS, weights_path

PAGE = Path(__file__).parent.parent.parent / "docs" / "models.md"
HYBRID = CHECKPOINTS["dpt_hybrid_384"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder of the test's own, and no connection by mistake."""
    monkeypatch.setenv("OPENMIDAS_HOME", str(tmp_path))
    monkeypatch.setenv("OPENMIDAS_OFFLINE", "1")


def lay_by_hand(name: str) -> Path:
    path = weights_path(CHECKPOINTS[name])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"PK\x03\x04 and the rest")
    return path


def row(text: str, name: str) -> str:
    return next(" ".join(line.split()) for line in text.splitlines() if line.startswith(f"{name} "))


def test_the_table_shows_what_was_published(openmidas: Run) -> None:
    result = openmidas("models")
    assert result.code == 0
    assert row(result.out, "dpt_beit_large_512") == (
        "dpt_beit_large_512 345.0 481.3 512 MIT .1137 .0659 .2366 6.13 11.56* 1.86* no"
    )
    assert row(result.out, "dpt_levit_224") == (
        "dpt_levit_224 50.6 4.08 224 sq MIT .1314 .1206 .3148 18.21 15.27* 8.64* no"
    )
    assert row(result.out, "dpt_hybrid_nyu") == "dpt_hybrid_nyu 123.1 – – MIT – – – – – – no"
    assert all(f"\n{name} " in result.out for name in CHECKPOINTS)
    assert max(map(len, result.out.splitlines()[:20])) <= 110


def test_the_page_about_the_networks_has_the_same_numbers(openmidas: Run) -> None:
    printed = openmidas("models").out
    lines = [
        line for line in PAGE.read_text(encoding="utf8").splitlines() if line.startswith(("| dpt", "| midas"))
    ]
    table = {
        cells[0]: " ".join(cells) for cells in ([c.strip() for c in line.split("|")[1:-1]] for line in lines)
    }
    assert list(table) == list(CHECKPOINTS)
    for name, cells in table.items():
        assert row(printed, name).startswith(cells)


def test_the_table_says_whose_weights_are_here(openmidas: Run, tmp_path: Path) -> None:
    lay_by_hand("dpt_levit_224")
    result = openmidas("models")
    assert row(result.out, "dpt_levit_224").endswith(" yes")
    assert result.out.count(" yes\n") == 1
    assert str(tmp_path / "weights") in result.out


def test_what_is_here_is_checked_and_named(openmidas: Run) -> None:
    path = lay_by_hand("dpt_levit_224")
    result = openmidas("models", "download", "dpt_levit_224")
    assert (result.code, result.out, result.err) == (0, f"dpt_levit_224: {path}\n", "")
    assert json.loads(path.with_name(f"{path.name}.json").read_text())["size_bytes"] == path.stat().st_size


def test_one_failure_does_not_stop_the_others(openmidas: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENMIDAS_OFFLINE")
    path = lay_by_hand("dpt_levit_224")
    result = openmidas("models", "download", "dpt_hybrid_384", "dpt_levit_224", "--offline")
    assert (result.code, result.out) == (1, f"dpt_levit_224: {path}\n")
    assert result.err.startswith(f"Error: {weights_path(HYBRID)}: is not there")
    assert HYBRID.address in result.err
    assert result.err.count("\n") == 1


def test_a_wrong_file_is_one_line(openmidas: Run) -> None:
    lay_by_hand("dpt_hybrid_nyu").write_bytes(b"<html>not found</html>")
    result = openmidas("models", "download", "dpt_hybrid_nyu")
    assert result.code == 1
    assert "is no PyTorch checkpoint" in result.err
    assert result.err.count("\n") == 1


def test_an_unknown_name_is_refused_before_anything_is_done(openmidas: Run) -> None:
    path = lay_by_hand("dpt_levit_224")
    result = openmidas("models", "download", "dpt_levit_224", "midas_v4")
    assert (result.code, result.out) == (2, "")
    assert "no 'midas_v4': there are midas_v21_384, " in result.err
    assert sorted(path.parent.iterdir()) == [path]


def test_ctrl_c_is_one_line(openmidas: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(models, "fetch", interrupted)
    result = openmidas("models", "download", "dpt_levit_224")
    assert (result.code, result.out, result.err) == (130, "", "Stopped.\n")


def test_a_bar_of_bytes_is_drawn_for_who_waits_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    monkeypatch.setattr(progress, "_PATIENCE_S", 0.0)
    with open(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with byte_bar("dpt_large_384") as show:
            show(500_000, None)
            time.sleep(0.3)
            show(1_000_000, 4_000_000)
            time.sleep(0.4)
        monkeypatch.undo()
        terminal.write("end")
    drawn = b""
    while not drawn.endswith(b"end"):  # it comes in pieces
        drawn += os.read(ours, 100_000)
    assert b"dpt_large_384" in drawn
    assert b"1.0/4.0 MB" in drawn
    assert b"\x1b[?25h" in drawn  # the cursor is back


def test_no_bar_of_bytes_is_drawn_into_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with byte_bar("dpt_large_384") as show:
        show(1, 2)
    assert capsys.readouterr() == ("", "")
