"""Errors of a prediction after the least-squares fit of scale and shift in inverse depth (zero-shot protocol)."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float


class Scores(NamedTuple):
    abs_rel: float  # mean |z - z*| / z*
    delta1: float  # fraction of pixels with max(z / z*, z* / z) < 1.25


def fitted_scores(
    prediction: Float[np.ndarray, "h w"],
    target: Float[np.ndarray, "h2 w2"],
    valid: Bool[np.ndarray, "h2 w2"],
    floor: float | None = None,
) -> Scores:
    """Scores of an affine-invariant inverse depth against a metric one (1/m), on the target's valid pixels.

    The prediction is resized (bilinear), fitted, clamped from below at `floor` (1/m; by default half the
    smallest valid target) and inverted. Source: Ranftl et al., TPAMI 2022, section 6.
    """
    resized = cv2.resize(prediction, target.shape[::-1], interpolation=cv2.INTER_LINEAR)
    p, t = resized[valid].astype(np.float64), target[valid].astype(np.float64)
    (scale, shift), *_ = np.linalg.lstsq(np.stack([p, np.ones_like(p)], 1), t, rcond=None)
    fitted = np.maximum(scale * p + shift, t.min() / 2 if floor is None else floor)
    ratio = t / fitted  # z / z*
    return Scores(float(np.mean(np.abs(ratio - 1))), float(np.mean(np.maximum(ratio, 1 / ratio) < 1.25)))
