"""Depth in the Wild: photographs of which people said which of two points is nearer.

Source: Chen et al., Single-Image Depth Perception in the Wild, NIPS 2016.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    return _read(root, [_listing(root, "DIW_test", "DIW_test")])


def read_diw_train(root: Path) -> list[Entry]:
    """The training set, in the order of DIW_train_val.csv, or of DIW_train.csv and then DIW_val.csv beside it.

    root holds `DIW_train_val` with the pictures; as `read_diw`.
    """
    listing = _listing(root, "DIW_train_val", "DIW_train_val", "DIW_train")
    if listing.stem == "DIW_train_val":
        return _read(root, [listing])
    remedy = "unpack DIW_Annotations_splitted.tar.gz again"
    return _read(root, [listing, first_existing(listing.parent, ["DIW_val.csv"], remedy)])


def _listing(root: Path, pictures: str, *names: str) -> Path:
    """The first of these lists that there is, in any folder that it may lie in."""
    places = [f"{folder}/{name}.csv" for name in names for folder in _FOLDERS]
    return first_existing(root, places, f"unpack DIW_Annotations.tar.gz beside {pictures}")


def _read(root: Path, listings: Sequence[Path]) -> list[Entry]:
    pairs: dict[str, tuple[Path, list[str]]] = {}
    for listing in listings:
        lines = read_lines(listing)
        if len(lines) % 2:
            raise file_error(listing, "has an odd number of lines, not two a picture: download it again")
        for image, pair in zip(lines[::2], lines[1::2], strict=True):
            pairs.setdefault(image, (listing, []))[1].append(pair)
    return [
        Entry(_name(image), root / image, partial(_read_pairs, listing, image, found), target=listing)
        for image, (listing, found) in pairs.items()
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
