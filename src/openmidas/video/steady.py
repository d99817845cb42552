"""Depth that does not flicker: what one frame's numbers leave open is fitted to the frame before."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, UInt8

from openmidas.alignment import fit_values
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.files.images import Rgb

SPAN = (0.0, 1.0)
"""The inverse depths between which a steady film's values lie, but for the farthest and nearest half percent."""

_PERCENTILES = (0.5, 99.5)
_SIDE = 96  # samples along each side, at most
_STILL_LEVELS = 8  # of 255: less is noise and compression
_STILL_SHARE = 0.1
_CUT_LEVELS = 50
_RETURN_S = 2.0
_FOLLOW_S = 0.5

_Line = tuple[float, float]


class Steadier:
    """Gives every frame of a film the scale and shift that agree with the frame before.

    A network that tells inverse depth up to scale and shift chooses both anew for each picture. Over the pixels that
    hold still, they are fitted by least squares to what those pixels had on average in the last half second: to one
    frame only, the errors of the fits would add up to a walk. Where hardly any pixel holds still, scale and shift
    follow the frame's own range slowly. Both are drawn back to that range within seconds; after a cut it is taken at
    once. The result lies in SPAN and stays affine invariant. One instance serves one film.
    """

    def __init__(self, frames_per_s: float) -> None:
        self._return = -math.expm1(-1 / (_RETURN_S * frames_per_s))
        self._follow = -math.expm1(-1 / (_FOLLOW_S * frames_per_s))
        self._line: _Line | None = None
        self._image: np.ndarray = np.empty(0)
        self._values: np.ndarray = np.empty(0)

    def __call__(self, image: Rgb, depth_map: DepthMap) -> DepthMap:
        """The frame's inverse depth on the film's scale; ConventionError for affine-invariant depth."""
        inverse = depth_map.to_inverse_depth()
        sample, values = _sampled(image).astype(np.int16), _sampled(inverse.values)
        known = np.isfinite(values)
        if not known.any():
            return inverse
        still = self._still(sample, known)
        scale, shift = self._line = self._next_line(values, known, still)
        new = values * scale + shift
        if still is not None:
            new[still] += (1 - self._follow) * (self._values[still] - new[still])
        self._image, self._values = sample, new
        steady = inverse.values * np.float32(scale) + np.float32(shift)
        return DepthMap(steady, inverse.valid, "inverse_depth", "affine_invariant")

    def _still(self, sample: np.ndarray, known: np.ndarray) -> np.ndarray | None:
        """Where the film holds still since the frame before; None after a cut, and for the first frame."""
        if sample.shape != self._image.shape:
            return None
        change = np.abs(sample - self._image).max(axis=2)
        return (
            (change <= _STILL_LEVELS) & known & np.isfinite(self._values)
            if change.mean() < _CUT_LEVELS
            else None
        )

    def _next_line(self, values: np.ndarray, known: np.ndarray, still: np.ndarray | None) -> _Line:
        own = _own_line(values[known])
        if still is None or self._line is None:
            return own
        if still.mean() < _STILL_SHARE:
            return _between(self._line, own, self._follow)
        try:
            # This way round, as the noise is in the new values: the other way least squares would shrink each frame.
            scale, shift = fit_values(
                self._values[still].astype(np.float64), values[still].astype(np.float64)
            )
        except ConventionError:  # the same everywhere
            return own
        return _between((1 / scale, -shift / scale), own, self._return) if scale > 0 else own


def _own_line(values: np.ndarray) -> _Line:
    """Scale and shift that take the frame's own range to SPAN."""
    low, high = np.percentile(values.astype(np.float64), _PERCENTILES)
    scale = (SPAN[1] - SPAN[0]) / (high - low) if high > low else 1.0
    return float(scale), float(SPAN[0] - low * scale)


def _between(line: _Line, other: _Line, share: float) -> _Line:
    return line[0] + share * (other[0] - line[0]), line[1] + share * (other[1] - line[1])


def _sampled(
    pixels: Float[np.ndarray, "h w"] | UInt8[np.ndarray, "h w 3"],
) -> np.ndarray:
    """Pixels on a grid, the same for picture and depth."""
    rows, columns = (max(1, math.ceil(length / _SIDE)) for length in pixels.shape[:2])
    return pixels[::rows, ::columns]
