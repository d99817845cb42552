"""The one type that flows: a depth map that knows what its numbers mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

Quantity = Literal["depth", "inverse_depth"]
Ambiguity = Literal["metric", "scale_invariant", "affine_invariant"]
Interpolation = Literal["bilinear", "bicubic"]


class ConventionError(ValueError):
    """Numbers used against their meaning: a wrong quantity, ambiguity, range or shape."""


@dataclass(frozen=True, eq=False, repr=False)
class DepthMap:
    """One picture's depth or inverse depth.

    values: float32 (height, width), NaN where not valid. Depth is z along the optical axis.
    valid: bool (height, width). Sky is valid: inverse depth 0, depth +inf.
    ambiguity: `metric` is metres or 1/metres; `scale_invariant` is up to a positive factor;
    `affine_invariant` is up to a positive factor and a shift.

    Both arrays are read-only. A read-only array is taken as it is, a writeable one is copied.
    Raises ConventionError for another rank or unequal shapes, for depth <= 0 or inverse depth < 0
    (unless affine invariant), and for infinite values other than a depth of +inf.
    """

    values: Float[np.ndarray, "h w"]
    valid: Bool[np.ndarray, "h w"]
    quantity: Quantity
    ambiguity: Ambiguity

    def __post_init__(self) -> None:
        _check_words(self.quantity, self.ambiguity)
        values, valid = np.asarray(self.values), np.asarray(self.valid)
        _check_shapes(values, valid)
        values = _without_invalid(values, valid)
        _check_range(values, valid, self.quantity, self.ambiguity)
        object.__setattr__(self, "values", _frozen(values, np.float32))
        object.__setattr__(self, "valid", _frozen(valid, np.bool_))

    @classmethod
    def from_values(
        cls, values: ArrayLike, quantity: Quantity, ambiguity: Ambiguity, valid: ArrayLike | None = None
    ) -> DepthMap:
        """Build from numbers (h, w); valid by default: not NaN, and finite where it is inverse depth."""
        array = _as_float32(values)
        if valid is None:
            valid = np.isfinite(array) if quantity == "inverse_depth" else ~np.isnan(array)
        return cls(array, np.asarray(valid), quantity, ambiguity)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        height, width = self.values.shape
        return height, width

    def to_inverse_depth(self) -> DepthMap:
        """The same map as inverse depth; ConventionError for affine-invariant depth."""
        return self if self.quantity == "inverse_depth" else _inverted(self, "inverse_depth")

    def to_depth(self) -> DepthMap:
        """The same map as depth, sky at +inf; ConventionError for affine-invariant inverse depth."""
        return self if self.quantity == "depth" else _inverted(self, "depth")

    def with_scale_shift(self, scale: float, shift: float) -> DepthMap:
        """The metric map `scale * values + shift`: the caller states what removes the ambiguity.

        Raises ConventionError when scale is not positive or the result has impossible values.
        """
        if not (math.isfinite(scale) and math.isfinite(shift) and scale > 0):
            raise ConventionError(f"scale must be positive and both finite, not scale {scale}, shift {shift}")
        values = (self.values.astype(np.float64) * scale + shift).astype(np.float32)
        return DepthMap(values, self.valid, self.quantity, "metric")

    def resize(self, shape: tuple[int, int], interpolation: Interpolation = "bilinear") -> DepthMap:
        """The map at (height, width), pixel centres at 0.5, from valid pixels only.

        A pixel is valid (or sky at infinite depth) where its nearest source pixel is, and blends only
        the finite valid ones around it: holes neither grow nor shrink. No value leaves the range of the
        input. Bicubic needs a map without holes. Raises ConventionError.
        """
        if min(shape) < 1:
            raise ConventionError(f"cannot resize a depth map to {shape[0]}×{shape[1]} pixels")
        if tuple(shape) == self.shape:
            return self
        finite = np.isfinite(self.values)
        if finite.all():
            values = _within(_interpolated(self.values, shape, interpolation), self.values)
            return DepthMap(_handed_over(values), np.ones(shape, bool), self.quantity, self.ambiguity)
        if interpolation != "bilinear":
            raise ConventionError(f"{interpolation} needs every pixel valid and finite; use bilinear")
        return _resized_with_holes(self, finite, shape)

    def crop(self, top: int, left: int, height: int, width: int) -> DepthMap:
        """The part of the map that starts at row `top`, column `left`; ConventionError when not inside."""
        inside = min(top, left) >= 0 and top + height <= self.shape[0] and left + width <= self.shape[1]
        if not inside or height < 1 or width < 1:
            raise ConventionError(
                f"crop of {height}×{width} at row {top}, column {left} is not inside {self._size_text()}"
            )
        part = np.s_[top : top + height, left : left + width]
        return DepthMap(self.values[part], self.valid[part], self.quantity, self.ambiguity)

    def __eq__(self, other: object) -> bool:
        """Same quantity, ambiguity, shape, valid pixels and values."""
        if not isinstance(other, DepthMap):
            return NotImplemented
        same_words = (self.quantity, self.ambiguity) == (other.quantity, other.ambiguity)
        return same_words and np.array_equal(self.values, other.values, equal_nan=True)

    def __repr__(self) -> str:
        meaning = f"{self.ambiguity} {self.quantity}"
        if not self.valid.any():
            return f"DepthMap({self._size_text()}, {meaning}, no valid pixel)"
        low, high = np.nanmin(self.values), np.nanmax(self.values)
        return f"DepthMap({self._size_text()}, {meaning}, {self.valid.mean():.1%} valid, {low:g} to {high:g})"

    def _size_text(self) -> str:
        return f"{self.shape[0]}×{self.shape[1]}"


def with_near_far(depth_map: DepthMap, near_m: float, far_m: float) -> DepthMap:
    """Metric inverse depth, stretched so that the nearest pixel is at near_m metres, the farthest at far_m.

    For affine-invariant inverse depth without ground truth: the caller states the metres. far_m may be inf.
    Raises ConventionError for any other map, a constant one, or planes not 0 < near_m < far_m.
    """
    if (depth_map.quantity, depth_map.ambiguity) != ("inverse_depth", "affine_invariant"):
        raise ConventionError(
            f"near and far fit affine-invariant inverse depth, not {depth_map.ambiguity} {depth_map.quantity}"
        )
    if not 0 < near_m < far_m:
        raise ConventionError(f"near and far must be metres with 0 < near < far, not {near_m} and {far_m}")
    low, high = value_range(depth_map)
    if low == high:
        raise ConventionError("the depth map is constant: no pixel is nearer than another")
    nearest, farthest = 1 / near_m, 1 / far_m
    share = (depth_map.values.astype(np.float64) - low) / (high - low)
    values = farthest + (nearest - farthest) * share
    return DepthMap(values.astype(np.float32), depth_map.valid, "inverse_depth", "metric")


def value_range(depth_map: DepthMap) -> tuple[float, float]:
    """Lowest and highest finite valid value; ConventionError when there is none."""
    values = depth_map.values
    low, high = _lowest_highest(values)
    if not np.isfinite(high):
        values = values[np.isfinite(values)]
        if values.size == 0:
            raise ConventionError("the depth map has no valid pixel with a finite value")
        low, high = _lowest_highest(values)
    return low, high


def _lowest_highest(values: np.ndarray) -> tuple[float, float]:
    # fmin and fmax skip the NaN of invalid pixels without a copy
    return float(np.fmin.reduce(values, axis=None)), float(np.fmax.reduce(values, axis=None))


def _check_words(quantity: str, ambiguity: str) -> None:
    for word, known in ((quantity, get_args(Quantity)), (ambiguity, get_args(Ambiguity))):
        if word not in known:
            raise ConventionError(f"{word!r} is not one of {', '.join(known)}")


def _check_shapes(values: np.ndarray, valid: np.ndarray) -> None:
    if values.ndim != 2 or values.size == 0:
        raise ConventionError(
            f"a depth map is one picture (height, width), not an array of shape {values.shape}"
        )
    if valid.shape != values.shape:
        raise ConventionError(f"valid has shape {valid.shape}, values have {values.shape}")
    if valid.dtype != np.bool_:
        raise ConventionError(f"valid must be bool, not {valid.dtype}")


def _check_range(values: np.ndarray, valid: np.ndarray, quantity: Quantity, ambiguity: Ambiguity) -> None:
    if not valid.any():
        return
    low, high = _lowest_highest(values)
    if np.count_nonzero(np.isnan(values)) != values.size - np.count_nonzero(valid):
        raise ConventionError("a pixel marked valid holds NaN")
    if low == -np.inf or (high == np.inf and quantity == "inverse_depth"):
        raise ConventionError(f"infinite {quantity}; only a depth of +inf (sky) has a meaning")
    if ambiguity == "affine_invariant":
        return
    if quantity == "depth" and low <= 0:
        raise ConventionError(f"{ambiguity} depth must be above 0, the lowest is {low:g}")
    if low < 0:
        raise ConventionError(f"{ambiguity} inverse depth cannot be negative, the lowest is {low:g}")


def _as_float32(values: ArrayLike) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float32)


def _without_invalid(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Float32 with NaN where not valid; copies only when something has to change."""
    single = _as_float32(values)
    if valid.all() or np.isnan(single[~valid]).all():
        return single
    return _handed_over(np.where(valid, single, np.float32(np.nan)))


def _frozen(array: np.ndarray, dtype: type[np.generic]) -> np.ndarray:
    """A contiguous read-only array that no writeable name outside shares, unless a view was passed in."""
    fresh = np.array(array, dtype=dtype, order="C", copy=True) if array.flags.writeable else array
    return _handed_over(np.ascontiguousarray(fresh, dtype=dtype))


def _handed_over(array: np.ndarray) -> np.ndarray:
    """Give up writing to an array of ours, so that DepthMap takes it without a copy."""
    array.flags.writeable = False
    return array


def _inverted(depth_map: DepthMap, quantity: Quantity) -> DepthMap:
    if depth_map.ambiguity == "affine_invariant":
        raise ConventionError(
            f"affine-invariant {depth_map.quantity} has no {quantity}: align it to a target, "
            "or give scale and shift, or near and far metres"
        )
    with np.errstate(divide="ignore", over="ignore"):
        # adding 0 turns -0.0 into 0.0, whose inverse is +inf
        values = np.float32(1) / (depth_map.values + np.float32(0))
    return DepthMap(_handed_over(values), depth_map.valid, quantity, depth_map.ambiguity)


def _interpolated(values: np.ndarray, shape: tuple[int, int], interpolation: Interpolation) -> np.ndarray:
    import cv2

    flags = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
    if interpolation not in flags:
        raise ConventionError(f"{interpolation!r} is not one of {', '.join(flags)}")
    return cv2.resize(values, (shape[1], shape[0]), interpolation=flags[interpolation])


def _within(values: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Clip in place to the range of the finite source: rounding and bicubic overshoot leave it."""
    return np.clip(values, source.min(), source.max(), out=values)


def _resized_with_holes(depth_map: DepthMap, finite: np.ndarray, shape: tuple[int, int]) -> DepthMap:
    nearest = depth_map.values[_nearest_pixels(depth_map.shape, shape)]
    values = nearest.copy()
    if finite.any():
        total = _interpolated(np.where(finite, depth_map.values, np.float32(0)), shape, "bilinear")
        weight = _interpolated(finite.astype(np.float32), shape, "bilinear")
        # the nearest pixel weighs a quarter or more, so the division is safe where it is finite
        np.divide(total, weight, out=values, where=np.isfinite(nearest))
        known = np.isfinite(values)
        values[known] = _within(values[known], depth_map.values[finite])
    return DepthMap(_handed_over(values), ~np.isnan(values), depth_map.quantity, depth_map.ambiguity)


def _nearest_pixels(source: tuple[int, int], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the source pixel that holds each new pixel's centre, in exact integers."""
    (height, width), (new_height, new_width) = source, shape
    rows = (2 * np.arange(new_height) + 1) * height // (2 * new_height)
    columns = (2 * np.arange(new_width) + 1) * width // (2 * new_width)
    return rows[:, None], columns[None, :]
