"""What a run leaves behind: the recipe, when and with what it was started, and its log."""

from __future__ import annotations

import json
import math
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

import openmidas
from openmidas.files.atomic import write_bytes
from openmidas.files.errors import file_error, system_error
from openmidas.training.recipes import Recipe

RECIPE = "recipe.json"
SETS = "sets.json"
STARTS = "starts.jsonl"
LOG = "log.jsonl"
Counts = Mapping[str, Mapping[str, int]]  # pictures, by the names of phase and set
_LEFT_OVER = re.compile(r"\.[0-9a-f]{16}\.(pt|png|json|jsonl|onnx)")


def check_run(folder: Path, recipe: Recipe) -> None:
    """FileError where the folder holds a run of another recipe, or is none."""
    if folder.is_file():
        raise file_error(folder, "is a file: choose another name for the run's folder")
    path = folder / RECIPE
    if path.exists() and path.read_text(encoding="utf8") != _text(recipe):
        raise file_error(folder, f"holds a run of another recipe, see {RECIPE}: choose another folder")


def open_run(folder: Path, recipe: Recipe) -> None:
    """Make the folder, or go on in it; FileError where it holds a run of another recipe.

    Half-written files that a killed process left are removed.
    """
    check_run(folder, recipe)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise system_error(folder, error) from error
    for path in folder.rglob(".*"):
        if _LEFT_OVER.fullmatch(path.name):
            path.unlink(missing_ok=True)
    write_bytes(folder / RECIPE, _text(recipe).encode())


def _text(recipe: Recipe) -> str:
    return json.dumps(asdict(recipe), indent=1)


def write_sets(folder: Path, counts: Counts) -> None:
    """Note how many pictures every phase's sets have, for `check_sets`; raises FileError."""
    write_bytes(folder / SETS, json.dumps(counts, indent=1).encode())


def check_sets(folder: Path, counts: Counts) -> None:
    """FileError where a set has another number of pictures than the run began with: other ones would be drawn."""
    for phase, sets in _noted_sets(folder).items():
        for name, noted in sets.items():
            count = counts.get(phase, {}).get(name, noted)
            if count != noted:
                change = f"began with {noted} pictures of {name}, which has {count} now"
                raise file_error(
                    folder, f"{change}: bring the set back to what it was, or choose another folder"
                )


def _noted_sets(folder: Path) -> Counts:
    """What `write_sets` wrote; nothing for runs of versions that wrote none."""
    path = folder / SETS
    try:
        return json.loads(path.read_text(encoding="utf8")) if path.exists() else {}
    except ValueError as error:
        raise file_error(path, "is damaged: choose another folder for the run") from error


def note_start(folder: Path, circumstances: Mapping[str, Any]) -> None:
    """Add a line to `starts.jsonl`: time, versions, git states, and these circumstances.

    git: of the folder that the command ran in; package_git: of this package's own folder.
    """
    now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    states = {"git": _git_state(Path()), "package_git": source_state(Path(openmidas.__file__).parent)}
    line = {"time": now, "command": sys.argv, "versions": _versions(), **states, **circumstances}
    append_line(folder / STARTS, line)


def append_line(path: Path, line: Mapping[str, Any]) -> None:
    """Add one JSON line to a file; numbers to five digits, and null for those that are not finite."""
    line = {key: _short(value) if isinstance(value, float) else value for key, value in line.items()}
    with path.open("a", encoding="utf8") as stream:
        stream.write(json.dumps(line) + "\n")


def _short(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


def read_log(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of `log.jsonl`, without one that a killed process left half written."""
    path = folder / LOG
    for text in path.read_text(encoding="utf8").splitlines() if path.exists() else []:
        try:
            yield json.loads(text)
        except json.JSONDecodeError:
            return


def forget_after(folder: Path, step: int) -> None:
    """Drop the log's lines of steps that will be done again, so that every step stands there once."""
    kept = [line for line in read_log(folder) if line["step"] <= step]
    write_bytes(folder / LOG, "".join(json.dumps(line) + "\n" for line in kept).encode())


def _versions() -> dict[str, str]:
    return {
        "openmidas": openmidas.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "platform": platform.platform(),
        "processor": torch.backends.cpu.get_cpu_capability(),
    }


def source_state(package: Path) -> dict[str, Any] | None:
    """Commit of a package's source; None for one that was installed, even into a folder of somebody's repository."""
    is_tracked = _git(package, "ls-files", "--error-unmatch", "__init__.py") is not None
    return _git_state(package) if is_tracked else None


def _git_state(folder: Path) -> dict[str, Any] | None:
    """Commit of a folder's repository, and whether something in the folder differs from it; None outside of git."""
    commit, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain", ".")
    return None if commit is None else {"commit": commit, "changed": bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
