"""Labels for photographs without any: a predictor's answers at several sizes and both mirrorings, averaged."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from openmidas.depth_map import DepthMap
from openmidas.files.errors import file_error

SIDES_PX = (224, 288, 352)

Predict = Callable[[UInt8[np.ndarray, "h w 3"], int], DepthMap]  # picture, short side at the network


def averaged(
    predict: Predict, image: UInt8[np.ndarray, "h w 3"], sides_px: Sequence[int] = SIDES_PX
) -> Float[np.ndarray, "h w"]:
    """Mean over sizes and mirrorings of inverse depth, each first brought to median 0 and mean deviation 1.

    Sizes err differently, and so do a picture and its mirror image: the mean is better than each.
    """
    answers = []
    for side_px in sides_px:
        answers.append(predict(image, side_px).values)
        mirrored = np.ascontiguousarray(image[:, ::-1])
        answers.append(predict(mirrored, side_px).values[:, ::-1])
    return np.mean([_standardised(answer) for answer in answers], axis=0)


def _standardised(values: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    centred = values - np.median(values)
    return centred / max(float(np.mean(np.abs(centred))), 1e-6)


def write_label(path: Path, values: Float[np.ndarray, "h w"]) -> None:
    """Write inverse depth of any scale and shift as a 16-bit gray PNG, least 0, largest 65535."""
    span = max(float(np.ptp(values)), 1e-6)
    codes = np.round((values - values.min()) / span * 65535).astype(np.uint16)
    beside = path.with_suffix(".part.png")
    cv2.imwrite(str(beside), codes)
    os.replace(beside, path)


def read_label(path: Path) -> Float[np.ndarray, "h w"]:
    """A gray label, 8 or 16 bits, as 0 ... 1, near high."""
    codes = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if codes is None or codes.ndim != 2:
        raise file_error(path, "is no gray picture: a label holds inverse depth, near bright")
    return codes.astype(np.float32) / (65535 if codes.dtype == np.uint16 else 255)
