"""What a person has on disk after unpacking: the places where the parts of a set may lie."""

from __future__ import annotations

import csv
from collections.abc import Sequence, Sized
from pathlib import Path

from openmidas.files.errors import FileError, file_error, open_file


def first_existing(root: Path, places: Sequence[str], remedy: str) -> Path:
    """The first of the places below root that exists; FileError that names the first and the remedy."""
    found = next((root / place for place in places if (root / place).exists()), None)
    if found is None:
        raise _missing(root, root / places[0], remedy)
    return found


def require(root: Path, found: Sized, place: str, remedy: str) -> None:
    """FileError that names the place below root, when nothing was found there."""
    if not found:
        raise _missing(root, root / place, remedy)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty, without space around them; raises FileError."""
    with open_file(path) as stream:
        try:
            text = stream.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise file_error(path, f"is no text ({error}): download it again") from error
    if "\0" in text:
        raise file_error(path, "is no text (it has bytes of 0): download it again")
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_table(path: Path) -> tuple[Sequence[str], list[dict[str, str]]]:
    """The columns of a CSV file, and its rows; raises FileError."""
    reader = csv.DictReader(read_lines(path), strict=True)
    try:
        return reader.fieldnames or (), list(reader)
    except csv.Error as error:
        raise file_error(
            path, f"is no table ({error}): look for a quotation mark without a second"
        ) from error


def _missing(root: Path, wanted: Path, remedy: str) -> FileError:
    if not root.is_dir():
        return file_error(root, "no such folder: name the one that the archives were unpacked to")
    problem = "holds nothing of that layout" if wanted.exists() else "is not there"
    return file_error(wanted, f"{problem}: {remedy}")
