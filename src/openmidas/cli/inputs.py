"""Which pictures the words on the command line mean."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from openmidas.files.errors import FileError, file_error, system_error

SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"),
    *(".gif", ".ppm", ".pgm", ".heic", ".heif", ".avif"),
)
STANDARD_INPUT = "-"
_FIXED_PART = re.compile(rf"[^*?[]*[/{re.escape(os.sep)}]")


@dataclass(frozen=True)
class Picture:
    """A picture to predict. top: the folder asked for, whose sub-folders are kept under the output folder."""

    path: Path
    top: Path


@dataclass(frozen=True)
class Inputs:
    """Pictures in the order they were named, words that mean none, and our own files among those named."""

    pictures: tuple[Picture, ...]
    problems: tuple[FileError, ...]
    left_out: tuple[Path, ...]


def find_pictures(words: Iterable[str], recursive: bool, own_endings: Sequence[str]) -> Inputs:
    """The pictures that files, folders, patterns and `-` (paths on standard input) mean, each one once.

    own_endings: what the names of our own files end with (`_depth.png`). Folders and patterns never give
    such files, and named ones are left out when the picture they were made of is named too.
    """
    found: dict[str, Picture] = {}
    problems: list[FileError] = []
    for word in words:
        for result in _meant_by(word, recursive, own_endings):
            if isinstance(result, FileError):
                problems.append(result)
            else:
                found.setdefault(os.path.abspath(result.path), result)
    left_out = _own_files(found, own_endings)
    pictures = tuple(picture for path, picture in found.items() if path not in left_out)
    return Inputs(pictures, tuple(problems), tuple(found[path].path for path in left_out))


def _meant_by(word: str, recursive: bool, own_endings: Sequence[str]) -> Iterator[Picture | FileError]:
    if word == STANDARD_INPUT:
        yield from _on_standard_input(recursive, own_endings)
    elif os.path.isdir(word):
        yield from _in_folder(Path(word), recursive, own_endings)
    elif os.path.lexists(word) or not glob.has_magic(word):
        yield Picture(Path(word), Path(word).parent)
    else:
        yield from _matching(word, own_endings)


def _on_standard_input(recursive: bool, own_endings: Sequence[str]) -> Iterator[Picture | FileError]:
    """What its lines mean, or its parts between NUL bytes (find -print0)."""
    data = sys.stdin.buffer.read()
    paths = [os.fsdecode(part) for part in data.split(b"\0" if b"\0" in data else b"\n") if part.strip()]
    for path in paths:
        if path != STANDARD_INPUT:
            yield from _meant_by(path, recursive, own_endings)
    if not paths:
        yield file_error(STANDARD_INPUT, "standard input lists no pictures")


def _in_folder(folder: Path, recursive: bool, own_endings: Sequence[str]) -> Iterator[Picture | FileError]:
    problems: list[FileError] = []
    paths = sorted(_files_below(folder, recursive, problems))
    pictures = [path for path in paths if _is_picture(path, own_endings)]
    yield from problems
    yield from (Picture(path, folder) for path in pictures)
    if not pictures and not problems:
        hint = "" if recursive else ": add --recursive to look into its sub-folders"
        yield file_error(folder, f"holds no pictures{hint}")


def _files_below(folder: Path, recursive: bool, problems: list[FileError]) -> Iterator[Path]:
    def note(error: OSError) -> None:
        problems.append(system_error(error.filename, error))

    for parent, folders, files in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        yield from (Path(parent, name) for name in files)


def _matching(pattern: str, own_endings: Sequence[str]) -> Iterator[Picture | FileError]:
    paths = [Path(path) for path in sorted(glob.glob(pattern, recursive=True))]
    pictures = [path for path in paths if path.is_file() and _is_picture(path, own_endings)]
    fixed = _FIXED_PART.match(pattern)
    top = Path(fixed[0] if fixed else ".")
    yield from (Picture(path, top) for path in pictures)
    if not pictures:
        yield file_error(pattern, "matches no picture")


def _is_picture(path: Path, own_endings: Sequence[str]) -> bool:
    # names with a dot in front are hidden, such as the ._photo.jpg that macOS leaves on other disks
    name = path.name.lower()
    return not name.startswith(".") and name.endswith(SUFFIXES) and not name.endswith(tuple(own_endings))


def _own_files(found: Iterable[str], own_endings: Sequence[str]) -> set[str]:
    """Those of the paths that were made of another one of them."""
    origins = {os.path.splitext(path)[0] for path in found}
    return {
        path
        for path in found
        for ending in own_endings
        if path.endswith(ending) and path.removesuffix(ending) in origins
    }
