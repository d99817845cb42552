"""Any set of pictures, told by a table: where each picture and its target lie, and what the target's numbers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.encoding import Encoding, encoding_named
from openmidas.files.depths import read_depth
from openmidas.files.errors import file_error, missing_extra, open_file
from openmidas.training.datasets.entry import Entry
from openmidas.training.datasets.folders import first_existing, read_table, require
from openmidas.training.datasets.valid_pixels import only_valid, with_sky

_NEEDED = ("image", "target")
_PATHS = (*_NEEDED, "valid", "sky")
_FILES = ("manifest.csv", "manifest.parquet")


def read_manifest(root: Path) -> list[Entry]:
    """The pictures of manifest.csv or manifest.parquet in root (or root is such a file), in its order.

    Columns: image and target, paths as seen from the file; encoding, a name of `encoding.encoding_names`, empty where
    the target says itself what it holds; near, far (metres) and bits for encodings that need them; valid, a gray
    picture that is black where the target does not count; sky, one that is black where there is none: sky is valid
    and infinitely far. All but the first two may be left out.
    Raises FileError for a table that is none or empty, a meaning that there is not, and a picture named twice.
    """
    table = root if root.is_file() else first_existing(root, _FILES, "list the pictures there")
    rows = _parquet_rows(table) if table.suffix == ".parquet" else _csv_rows(table)
    entries: dict[str, Entry] = {}
    for number, row in enumerate(rows, 1):
        entry = _entry(table, number, row)
        if entries.setdefault(entry.name, entry) is not entry:
            raise file_error(table, f"names the picture {entry.name} twice: name each once")
    require(table.parent, entries, table.name, "give each picture a line with its image and its target")
    return list(entries.values())


def _csv_rows(table: Path) -> Sequence[Mapping[str, Any]]:
    columns, rows = read_table(table)
    _check_columns(table, columns)
    return rows


def _parquet_rows(table: Path) -> Sequence[Mapping[str, Any]]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise missing_extra(table, "Parquet", "data") from error
    with open_file(table) as stream:
        try:
            columns = parquet.read_table(stream)
        except Exception as error:  # damaged bytes make the reader raise several kinds
            raise file_error(table, f"is no Parquet file or damaged ({error}): write it again") from error
    _check_columns(table, columns.column_names)
    return columns.to_pylist()


def _check_columns(table: Path, columns: Sequence[str]) -> None:
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise file_error(table, f"has no column {' or '.join(missing)}: it needs image and target")


def _entry(table: Path, number: int, row: Mapping[str, Any]) -> Entry:
    image, target, valid, sky = (str(row.get(column) or "").strip() for column in _PATHS)
    name = _name(image)
    if not (name and target):
        raise file_error(table, f"picture {number} has no image or no target: fill both in")
    try:
        encoding = _encoding(*(row.get(column) for column in ("encoding", "near", "far", "bits")))
    except (ConventionError, ArithmeticError, TypeError, ValueError) as error:
        raise file_error(table, f"picture {number}, {image}: {error}") from error
    folder = table.parent
    marks = [folder / path if path else None for path in (valid, sky)]
    read = partial(_read_target, folder / target, encoding, *marks)
    others = tuple(path for path in marks if path is not None)
    return Entry(name, folder / image, read, target=folder / target, others=others)


@cache
def _encoding(name: Any, near: Any, far: Any, bits: Any) -> Encoding | None:
    """The encoding of these cells, which a CSV file holds as text; None where they are empty."""
    if name in (None, ""):
        return None
    near_m, far_m, whole_bits = (None if cell in (None, "") else float(cell) for cell in (near, far, bits))
    return encoding_named(str(name).strip(), near_m, far_m, None if whole_bits is None else int(whole_bits))


def _read_target(path: Path, encoding: Encoding | None, valid: Path | None, sky: Path | None) -> DepthMap:
    target = read_depth(path, encoding)
    if valid is not None:
        target = only_valid(target, valid)
    return target if sky is None else with_sky(target, sky)


def _name(image: str) -> str:
    """The path without its ending, and without what leads out of the folder."""
    path = PurePosixPath(image.replace("\\", "/"))
    return "/".join(part for part in (*path.parent.parts, path.stem) if part not in ("", "/", ".", ".."))
