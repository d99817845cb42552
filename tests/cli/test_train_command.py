"""`openmidas label` and `openmidas train` as far as a moment allows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from running import Run, names, write_picture


def test_label_writes_what_is_missing(openmidas: Run, folder: Path) -> None:
    write_picture(folder / "photos" / "a.jpg", (64, 96))
    assert openmidas("label", "photos", "labels").out == "labels: 1 new labels\n"
    assert names(folder / "labels") == ["a.png"]
    assert openmidas("label", "photos", "labels").out == "labels: 0 new labels\n"


@pytest.mark.parametrize("options", [["--recipe", "third"], ["--hold-out", "7"], ["--steps", "0"]])
def test_wrong_usage_of_train_exits_with_2(options: list[str], openmidas: Run, folder: Path) -> None:
    result = openmidas("train", "photos", "labels", "run", *options)
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith("Error: ")
    assert names(folder) == []


@pytest.mark.parametrize("command", [["label", "a", "b"], ["train", "a", "b", "c"]])
def test_without_photographs_there_is_one_line(command: list[str], openmidas: Run, folder: Path) -> None:
    result = openmidas(*command)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("Error: ")
    assert result.err.count("\n") == 1


def test_without_torch_one_line_says_what_to_install(
    openmidas: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "openmidas.cli.train", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    result = openmidas("label", "a", "b")
    assert (result.code, result.out) == (1, "")
    assert result.err == "Error: this command needs torch: pip install 'openmidas[train]'\n"
