"""Labels for photographs without any: the averaged answers of networks, snapped to the edges of the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from openmidas.depth_map import DepthMap
from openmidas.files.atomic import write_bytes
from openmidas.files.depths import read_numbers
from openmidas.files.errors import file_error, system_error
from openmidas.files.png import encode_png
from openmidas.training.sharpen import snap_to_edges

SUFFIXES = (".png", ".jpg", ".jpeg")
EIGHT_BIT_SMOOTHING_PX = 1.0  # the steps of eight bits are no edges

Predict = Callable[[UInt8[np.ndarray, "h w 3"], int], DepthMap]  # picture, short side at the network
Answer = Callable[[str, UInt8[np.ndarray, "h w 3"]], Float[np.ndarray, "h w"]]  # name, picture
_PREDICTED = "_depth"  # what `openmidas predict` puts behind the photograph's name


def label(name: str, image: UInt8[np.ndarray, "h w 3"], by: Sequence[Answer]) -> Float[np.ndarray, "h w"]:
    """Inverse depth of any scale and shift: the mean of all answers, sharpened.

    Every answer counts alike: each is first brought to median 0 and mean absolute deviation 1.
    """
    answers = [_standardised(answer(name, image)) for answer in by]
    return snap_to_edges(np.mean(answers, axis=0), image)


def from_files(found: Mapping[str, Path]) -> Answer:
    """Labels from elsewhere, by the photograph's stem, as one of the answers."""

    def answer(name: str, image: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
        stored = read_label(found[name])
        values = np.asarray(cv2.resize(stored, image.shape[1::-1], interpolation=cv2.INTER_LINEAR))
        return np.asarray(cv2.GaussianBlur(values, (0, 0), EIGHT_BIT_SMOOTHING_PX))

    return answer


def labels_of(photos: Iterable[str], folder: Path) -> dict[str, Path]:
    """By their stems, the labels of the photographs that have one: NAME.png or, from `predict`, NAME_depth.png.

    Raises FileError where there is no such folder, none has a label, or one has two.
    """
    try:
        found = list_labels(folder)
    except OSError as error:
        raise system_error(folder, error) from error
    labels = {}
    for name in photos:
        own, predicted = found.get(name), found.get(f"{name}{_PREDICTED}")
        if own and predicted:
            raise file_error(predicted, f"is a label of the same photograph as {own.name}: keep one")
        if path := own or predicted:
            labels[name] = path
    if not labels:
        raise file_error(folder, "no photograph has a label of its name here: label them first")
    return labels


def list_labels(folder: Path) -> dict[str, Path]:
    """The gray pictures of a folder by their stem; FileError where two have the same."""
    paths = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return by_stem(paths, "is a label of the same photograph as {}: keep one")


def by_stem(paths: Iterable[Path], problem: str) -> dict[str, Path]:
    """The files by their stem, in order; FileError with that problem where two have the same, {} being the first."""
    found: dict[str, Path] = {}
    for path in sorted(paths):
        if path.stem in found:
            raise file_error(path, problem.format(found[path.stem].name))
        found[path.stem] = path
    return found


def averaged(
    predict: Predict, image: UInt8[np.ndarray, "h w 3"], sides_px: Sequence[int]
) -> Float[np.ndarray, "h w"]:
    """Mean over sizes and mirrorings of inverse depth, each first brought to median 0 and mean deviation 1.

    Sizes err differently, and so do a picture and its mirror image: the mean is better than each. Raises ValueError
    for an answer that has no inverse depth everywhere.
    """
    answers = []
    for side_px in sides_px:
        answers.append(_inverse_depth(predict(image, side_px)))
        mirrored = np.ascontiguousarray(image[:, ::-1])
        answers.append(_inverse_depth(predict(mirrored, side_px))[:, ::-1])
    return np.mean([_standardised(answer) for answer in answers], axis=0)


def _inverse_depth(depth_map: DepthMap) -> Float[np.ndarray, "h w"]:
    """Of every pixel; ValueError where there is a hole, ConventionError for affine-invariant depth."""
    inverse = depth_map.to_inverse_depth()
    if not (inverse.valid & np.isfinite(inverse.values)).all():
        raise ValueError("some pixels have no depth")
    return inverse.values


def _standardised(values: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    centred = values - np.median(values)
    return centred / max(float(np.mean(np.abs(centred))), 1e-6)


def write_label(path: Path, values: Float[np.ndarray, "h w"]) -> None:
    """Write inverse depth of any scale and shift as a 16-bit gray PNG, least 0, largest 65535; raises FileError."""
    span = max(float(np.ptp(values)), 1e-6)
    codes = np.round((values - values.min()) / span * 65535).astype(np.uint16)
    write_bytes(path, encode_png(codes))


def read_label(path: Path) -> Float[np.ndarray, "h w"]:
    """A label as 0 ... 1, near high: gray, 8 or 16 bits, near bright unless the file itself says what it holds.

    Raises FileError, also for a file that says depth which has no inverse, or has holes.
    """
    codes, encoding = read_numbers(path)
    if encoding is None:
        return codes.astype(np.float32) / (255 if codes.dtype == np.uint8 else 65535)
    try:
        values = _inverse_depth(encoding.decode(codes))
    except ValueError as error:
        raise file_error(path, f"cannot be a label: {error}") from error
    return (values - values.min()) / max(float(np.ptp(values)), 1e-6)
