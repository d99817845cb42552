"""Depth in the Wild: photographs of which people said which of two points is nearer.

Source: Chen et al., Single-Image Depth Perception in the Wild, NIPS 2016.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from openmidas.files.errors import FileError, file_error
from openmidas.training.datasets.entry import Entry, OrdinalPairs
from openmidas.training.datasets.folders import first_existing, read_lines

_FOLDERS = (".", "DIW_Annotations", "DIW_Annotations_splitted")
# "A > B" speaks of depth: the first point is farther.
_RELATIONS = {">": -1, "<": 1, "=": 0}


def read_diw(root: Path) -> list[Entry]:
    """The test set, in the order of DIW_test.csv: a line with the picture's path, then one with its pair.

    root holds `DIW_test` with the pictures, and the list itself or in `DIW_Annotations`. Raises FileError.
    """
    return _read(root, "DIW_test")


def read_diw_train(root: Path) -> list[Entry]:
    """The training set, in the order of DIW_train_val.csv, with its pictures in `DIW_train_val`; as `read_diw`."""
    return _read(root, "DIW_train_val")


def _read(root: Path, part: str) -> list[Entry]:
    places = [f"{folder}/{part}.csv" for folder in _FOLDERS]
    listing = first_existing(root, places, f"unpack DIW_Annotations.tar.gz beside {part}")
    lines = read_lines(listing)
    if len(lines) % 2:
        raise file_error(listing, "has an odd number of lines, not two a picture: download it again")
    pairs: dict[str, list[str]] = {}
    for image, pair in zip(lines[::2], lines[1::2], strict=True):
        pairs.setdefault(image, []).append(pair)
    return [
        Entry(_name(image), root / image, partial(_read_pairs, listing, image, found), target=listing)
        for image, found in pairs.items()
    ]


def _name(image: str) -> str:
    """`DIW_test/abc` for ./DIW_test/abc.thumb, and for an absolute path of somebody's."""
    path = PurePosixPath(image)
    parts = [part for part in (*path.parent.parts, path.stem) if part not in ("", "/", ".", "..")]
    return "/".join(parts[-2:])


def _read_pairs(listing: Path, image: str, lines: list[str]) -> OrdinalPairs:
    try:
        rows = [_row(line) for line in lines]
    except (ArithmeticError, KeyError, ValueError) as error:
        raise _spoilt(listing, image, lines) from error
    points = np.array([row[:4] for row in rows])
    height, width = rows[0][5:]
    if points.min() < 0 or (points >= (height, width, height, width)).any():
        raise _spoilt(listing, image, lines)
    relation = np.array([row[4] for row in rows])
    return OrdinalPairs(points[:, :2], points[:, 2:], relation, (height, width))


def _row(line: str) -> tuple[int, ...]:
    """Row and column of both points from 0, relation, height, width; the line has the width first."""
    *coordinates, relation, width, height = line.split(",")
    row1, column1, row2, column2 = (math.floor(float(text)) - 1 for text in coordinates)
    return row1, column1, row2, column2, _RELATIONS[relation.strip()], int(height), int(width)


def _spoilt(listing: Path, image: str, lines: list[str]) -> FileError:
    form = "y1,x1,y2,x2,<,width,height with points inside the picture"
    return file_error(listing, f"says {' and '.join(lines)} of {image}, which is not {form}")
