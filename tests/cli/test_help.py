"""Help: short, with examples that work, naming everything there is."""

from __future__ import annotations

import os
import re
import shlex
import sys
import time
from typing import get_args

import pytest
from running import Run

import openmidas as package
from openmidas.cli import progress
from openmidas.cli.app import app
from openmidas.cli.meaning import DATA_SETS
from openmidas.cli.predict import ENDINGS
from openmidas.cli.progress import progress_bar, rate_and_rest
from openmidas.encoding import encoding_names
from openmidas.files.heatmap import Colormap

COMMANDS = sorted(app.commands)


def examples(text: str) -> list[list[str]]:
    """The arguments of every example line, with what goes on behind a backslash."""
    text = re.sub(r"\\\n\s*", "", text)
    lines = [
        line.split("|")[-1].strip() for line in text.splitlines() if "  openmidas " in line or "|" in line
    ]
    return [shlex.split(line.split("   ")[0])[1:] for line in lines if line.startswith("openmidas ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_examples_that_it_understands(command: str, openmidas: Run) -> None:
    result = openmidas(command, "--help")
    assert result.code == 0
    found = [line for line in examples(result.out) if line[0] == command]
    assert found
    for arguments in found:
        app.commands[command].make_context(command, list(arguments[1:]))


def test_help_names_every_format_colormap_and_encoding(openmidas: Run) -> None:
    predict, convert = openmidas("predict", "--help").out, openmidas("convert", "--help").out
    assert all(name in predict for name in (*ENDINGS, *get_args(Colormap)))
    assert all(name in convert for name in (*encoding_names(), *DATA_SETS, "heatmap"))


def test_help_fits_a_terminal(openmidas: Run) -> None:
    for command in COMMANDS:
        text = openmidas(command, "--help").out
        assert max(map(len, text.splitlines())) <= 90
        assert len(text.splitlines()) <= 60


def test_nothing_to_do_gives_help_and_version_the_version(openmidas: Run) -> None:
    assert openmidas().out == openmidas("--help").out
    assert all(command in openmidas().out for command in COMMANDS)
    assert openmidas("--version").out == f"openmidas {package.__version__}\n"


@pytest.mark.parametrize(
    ("done", "total", "seconds", "words"),
    [
        (0, 10, 3.0, ""),
        (5, 10, 2.0, "2.5/s, 0:02 left"),
        (1, 1000, 1.5, "0.667/s, 24:58 left"),
        (1, 10_000, 1.0, "1/s, 2:46:39 left"),
    ],
)
def test_rate_and_time_left(done: int, total: int, seconds: float, words: str) -> None:
    assert rate_and_rest(done, total, seconds) == words


def drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch, patience_s: float) -> str:
    ours, theirs = os.openpty()
    monkeypatch.setattr(progress, "_PATIENCE_S", patience_s)
    with open(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress_bar(3, "Predicting") as advance:
            for _ in range(3):
                time.sleep(0.2)
                advance()
        monkeypatch.undo()
        terminal.write("end")
    drawn = b""
    while not drawn.endswith(b"end"):  # on a busy machine it comes in pieces
        drawn += os.read(ours, 100_000)
    return drawn.decode()


def test_a_bar_is_drawn_for_who_waits_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = drawn_on_a_terminal(monkeypatch, 0.0)
    assert "Predicting" in drawn
    assert "left" in drawn
    assert "\x1b[?25h" in drawn  # the cursor is back


def test_no_bar_is_drawn_for_who_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn_on_a_terminal(monkeypatch, 60.0) == "end"


def test_no_bar_is_drawn_into_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_S", 0.0)
    with progress_bar(2, "Predicting") as advance:
        time.sleep(0.2)
        advance()
    assert capsys.readouterr() == ("", "")
