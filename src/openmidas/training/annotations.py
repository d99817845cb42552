"""Kinds of truth a training picture may have, and how each moves when the picture is cropped, turned or resized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from openmidas.depth_map import Ambiguity, ConventionError
from openmidas.files.errors import file_error
from openmidas.training.datasets.entry import Entry, OrdinalPairs, Target

LARGEST_STRETCH = (
    0.02  # by which a target's shape may differ from the picture's: rounded sides of reduced targets
)

_Affine = Float[np.ndarray, "2 3"]


Kind = Literal["metric_depth", "structure_from_motion", "disparity", "ordinal", "labels", "rendered"]


@dataclass(frozen=True)
class Annotation:
    """What a kind of truth leaves open, and the loss that suits it: a name of `losses.LOSSES`, or `ranking`.

    ambiguity: the least, for a set may have lost its scale besides; None for pairs, which know order alone.
    """

    ambiguity: Ambiguity | None
    loss: str


# Truth that was measured or rendered is kept whole; estimates are wrong in places, and those places are dropped.
ANNOTATIONS: Mapping[Kind, Annotation] = MappingProxyType(
    {
        "metric_depth": Annotation("metric", "ssi-mae"),  # RGB-D, laser, LiDAR; sparse is fine
        "structure_from_motion": Annotation("scale_invariant", "ssi-trim"),
        "disparity": Annotation("affine_invariant", "ssi-trim"),  # stereo whose cameras nobody knows
        "ordinal": Annotation(None, "ranking"),  # pairs of points, judged by hand
        "labels": Annotation("affine_invariant", "ssi-trim"),  # what another network says
        "rendered": Annotation("metric", "ssi-mae"),
    }
)


@dataclass(frozen=True, eq=False)
class Sample:
    """One training picture with its truth.

    image: RGB, 0 to 255. target: inverse depth, near is high; where it is not valid it means nothing.
    ambiguity: what the target leaves open. pairs: which of two pixels is nearer; such a picture may have no
    depth at all, and then no pixel is valid.
    """

    image: UInt8[np.ndarray, "h w 3"]
    target: Float[np.ndarray, "h w"]
    valid: Bool[np.ndarray, "h w"]
    ambiguity: Ambiguity = "affine_invariant"
    pairs: OrdinalPairs | None = None


def sample_of(entry: Entry) -> Sample:
    """Open a picture of a data set with its truth.

    Of picture and target the larger is brought to the other's size: the picture by averaging, depths by `move`.
    Raises FileError for what cannot be read and for a target of another shape, ConventionError (with the entry's
    name) for one that has no inverse depth.
    """
    image, target = entry.read_image(), entry.read_target()
    check_together(entry.image, image.shape[:2], target.shape)
    try:
        return annotated(image, target)
    except ConventionError as error:
        raise ConventionError(f"{entry.name}: {error}") from error


def check_together(picture: Path, shape: tuple[int, ...], target_shape: tuple[int, int]) -> None:
    """FileError for a picture and a target of other shapes than reducing one of them makes."""
    (height, width), (target_height, target_width) = shape, target_shape
    stretch = (width / height) / (target_width / target_height)
    if abs(np.log(stretch)) > LARGEST_STRETCH:
        sizes = f"{height}×{width} pixels, its target has {target_height}×{target_width}"
        raise file_error(picture, f"has {sizes}: they do not belong together")


def annotated(image: UInt8[np.ndarray, "h w 3"], target: Target) -> Sample:
    """The sample of a picture and its truth, at the smaller of their two sizes.

    Raises ConventionError for affine-invariant depth, which has no inverse depth.
    """
    height, width = np.minimum(image.shape[:2], target.shape).tolist()
    if image.shape[:2] != (height, width):
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    scaling = _scaling(target.shape, (height, width))
    if isinstance(target, OrdinalPairs):
        nothing = np.zeros((height, width), np.float32)
        pairs = _moved_pairs(target, scaling, (height, width))
        return Sample(image, nothing, nothing > 0, pairs=pairs)
    inverse = target.to_inverse_depth()
    values, valid = np.where(inverse.valid, inverse.values, np.float32(0)), inverse.valid
    if target.shape != (height, width):
        values, valid = _moved_target(values, valid, scaling, (height, width))
    return Sample(image, values, valid, inverse.ambiguity)


def move(sample: Sample, to_source: _Affine, size: tuple[int, int]) -> Sample:
    """The sample seen through an affine map, at `size` (height, width).

    to_source: takes points (x, y, 1) of the new picture to those of the old; a first pixel's centre is (0.5, 0.5).
    What lies outside the old picture is mirrored in. Depths are taken, never mixed, for between two surfaces lies
    none: a pixel gets the depth at its centre. Where none is known there, it gets the nearest of those known within
    it, so that the dots of a laser last however small the picture is made. Pairs go with their pixels;
    those with a point outside, or both in one pixel, are dropped.
    """
    target, valid = _moved_target(sample.target, sample.valid, to_source, size)
    pairs = None if sample.pairs is None else _moved_pairs(sample.pairs, to_source, size)
    image = _warped(_prefiltered(sample.image, to_source), to_source, size, cv2.INTER_LINEAR)
    return Sample(image, target, valid, sample.ambiguity, pairs)


def _moved_target(
    target: Float[np.ndarray, "h w"],
    valid: Bool[np.ndarray, "h w"],
    to_source: _Affine,
    size: tuple[int, int],
) -> tuple[Float32[np.ndarray, "h2 w2"], Bool[np.ndarray, "h2 w2"]]:
    """Values (0 where not valid) and which are valid."""
    target = target.astype(np.float32, copy=False)
    known = _warped(valid.astype(np.uint8), to_source, size, cv2.INTER_NEAREST).astype(bool)
    values = np.where(known, _warped(target, to_source, size, cv2.INTER_NEAREST), np.float32(0))
    if known.all():
        return values, known
    nearest = _nearest_within(target, valid & _seen_in(~known, to_source, valid.shape), to_source, size)
    filled = ~known & np.isfinite(nearest)
    return np.where(filled, nearest, values), known | filled


def _seen_in(holes: Bool[np.ndarray, "h2 w2"], to_source: _Affine, shape: tuple[int, ...]) -> np.ndarray:
    """Which old pixels may fall into new ones without a value: to look at these alone is several times as fast."""
    near_holes = cv2.dilate(holes.astype(np.uint8), np.ones((3, 3), np.uint8))
    return (
        _warped(near_holes, _inverse(to_source), (shape[0], shape[1]), cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)
        > 0
    )


def _nearest_within(
    target: Float32[np.ndarray, "h w"],
    taken: Bool[np.ndarray, "h w"],
    to_source: _Affine,
    size: tuple[int, int],
) -> Float32[np.ndarray, "h2 w2"]:
    """The largest of the values whose pixel's centre falls into each new pixel; -infinity where there is none."""
    rows, columns = np.divmod(np.flatnonzero(taken), taken.shape[1])
    new_rows, new_columns, inside = _moved_pixels(rows, columns, to_source, size)
    nearest = np.full(size[0] * size[1], -np.inf, np.float32)
    at = (new_rows * size[1] + new_columns)[inside]
    np.maximum.at(nearest, at, target[taken][inside])
    return nearest.reshape(size)


def _moved_pairs(pairs: OrdinalPairs, to_source: _Affine, size: tuple[int, int]) -> OrdinalPairs:
    points = np.concatenate([pairs.first, pairs.second])
    rows, columns, inside = _moved_pixels(points[:, 0], points[:, 1], to_source, size)
    first, second = np.split(np.stack([rows, columns], axis=1), 2)
    kept = np.all(np.split(inside, 2), axis=0) & (first != second).any(axis=1)
    return OrdinalPairs(first[kept], second[kept], pairs.relation[kept], size)


def _moved_pixels(
    rows: Int[np.ndarray, " n"], columns: Int[np.ndarray, " n"], to_source: _Affine, size: tuple[int, int]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Row and column of the new pixels in which the old ones' centres fall, and whether these exist."""
    to_new = _inverse(to_source)
    places = to_new[:, :2] @ (np.stack([columns, rows]) + 0.5) + to_new[:, 2:]
    new_columns, new_rows = np.floor(places).astype(np.int64)
    inside = (new_rows >= 0) & (new_rows < size[0]) & (new_columns >= 0) & (new_columns < size[1])
    return new_rows, new_columns, inside


def _warped(
    a: np.ndarray,
    to_source: _Affine,
    size: tuple[int, int],
    interpolation: int,
    border: int = cv2.BORDER_REFLECT,
) -> np.ndarray:
    # cv2 counts pixel centres as integers
    matrix = to_source.astype(np.float64)
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    flags = interpolation | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(a, matrix, size[::-1], flags=flags, borderMode=border))


def _inverse(affine: _Affine) -> _Affine:
    linear = np.linalg.inv(affine[:, :2])
    return np.column_stack([linear, -linear @ affine[:, 2]])


def _prefiltered(image: UInt8[np.ndarray, "h w 3"], to_source: _Affine) -> UInt8[np.ndarray, "h w 3"]:
    scale = float(np.sqrt(abs(np.linalg.det(to_source[:, :2]))))
    return image if scale <= 1.2 else np.asarray(cv2.GaussianBlur(image, (0, 0), 0.4 * scale))


def _scaling(source: tuple[int, int], size: tuple[int, int]) -> _Affine:
    return np.array([[source[1] / size[1], 0, 0], [0, source[0] / size[0], 0]])
