"""What one picture leaves open before it is a scene: the focal length, and the shift of its inverse depth.

An affine-invariant map u, stretched to 0 (farthest) … 1 (nearest), is inverse depth w = scale · (u + shift) with two
numbers unknown. Near and far, the distances of the nearest and the farthest pixel, are the same two numbers: the
shift is near / (far - near), so it is far / near that matters, and the scale says what the near is in metres.
A wrong shift bends nothing: a plane is u = ax + by + c under any shift and focal length f. It turns them: the
normal is (fa, fb, g + shift), with g the plane's u at the principal point. So only angles can tell. A right angle
between two planes is one equation for two unknowns, f²(aa' + bb') + (g + shift)(g' + shift) = 0; the corner of a room
gives three. A room seen straight on (aa' + bb' = 0 throughout) tells the shift and never the focal length.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from openmidas.camera import Camera
from openmidas.depth_map import DepthMap, value_range
from openmidas.files.exif import read_focal_length_px
from openmidas.files.images import read_image_size
from openmidas.files.picture import PictureSource

# planes are looked for in a small map, in cells, by how far off (of the map's range) a cell may be
_SIDE_PX = 240
_CELL_PX = 6
_TOLERANCE = 0.015
_SKY_BELOW = 0.01  # the farthest hundredth may be sky, which is no wall
_MOST_PLANES = 8
_SMALLEST_SHARE = 0.03  # of the cells
_FULL_SHARE = 0.1  # a pair of planes this large counts in full
_LEAST_COVER = 0.4  # of the cells: a picture of fewer planes is no room

_DEVIATIONS_DEG = (0.5, 1, 2, 4, 8)  # of what is built at right angles, as the map shows it: one of these
_RIGHT_ANGLES = 0.5  # before looking: the share of pairs at right angles

# before looking: medians and deviations of the logarithms, of the focal length in longer sides and of the shift
_USUAL_FOCAL, _FOCAL_DEVIATION = 0.866, 0.35  # 60°
_USUAL_SHIFT, _SHIFT_DEVIATION = 0.2, 1.0  # the farthest six times as far as the nearest
_FOCALS = np.geomspace(0.28, 2.9, 128)  # 120° to 20°
_SHIFTS = np.geomspace(0.005, 2.5, 160)  # far / near from 201 to 1.4
_SURE_FOCAL, _SURE_SHIFT = 1.4, 2.5  # upper end of an interval by its lower one


@dataclass(frozen=True, eq=False)
class Calibration:
    """Focal length, and shift in units of the map's range, each in an interval that holds four fifths of the belief.

    is_sure: (focal length, shift): whether it was given or the picture tells it; else it is what is usual.
    words: all of it in one line.
    """

    focal_px: float
    focal_interval_px: tuple[float, float]
    shift: float
    shift_interval: tuple[float, float]
    is_sure: tuple[bool, bool]
    words: str


@dataclass(frozen=True, eq=False)
class Planes:
    """Planes u = ax + by + g of a map; x and y from its middle, in longer sides.

    slopes: (a, b). levels: g. share: of the picture that each covers.
    """

    slopes: Float[np.ndarray, "n 2"]
    levels: Float[np.ndarray, " n"]
    share: Float[np.ndarray, " n"]


def stated_focal_px(
    shape: tuple[int, int], picture: PictureSource | None = None, fov_deg: float | None = None
) -> float | None:
    """The focal length for a map of (height, width) by the stated field of view, else by the picture's EXIF data.

    fov_deg: what the longer side spans. picture: its path or bytes; it may be larger than the map. None when
    neither tells. Raises ConventionError, FileError.
    """
    if fov_deg is not None:
        return float(Camera.from_fov(shape, fov_deg).intrinsics[0, 0])
    full_px = None if picture is None else read_focal_length_px(picture)
    if picture is None or full_px is None:
        return None
    return full_px * max(shape) / max(read_image_size(picture))


def far_of(shift: float, near_m: float) -> float:
    """The farthest pixel's distance when the nearest is at near_m, for `with_near_far`; infinite for shift 0."""
    return near_m * (1 + shift) / shift if shift > 0 else math.inf


def calibrate(depth_map: DepthMap, focal_px: float | None = None) -> Calibration:
    """Focal length and shift under which the planes of a map meet at right angles, and how sure that is.

    focal_px: known (`stated_focal_px`): only the shift is looked for. A map that is not affine invariant has its
    shift: only the focal length is looked for. Each pair of planes is at right angles or, as likely, at any angle
    (the mixture of Coughlan and Yuille, Manhattan World, ICCV 1999); what is usual in photographs, 60° and a far of
    six times the near, is weighed in, and is the answer where the picture tells nothing.
    It sees only the map: where a network bends the walls, it may be sure and wrong.
    Raises ConventionError for a map without a valid pixel and for affine-invariant depth.
    """
    inverse = depth_map.to_inverse_depth()
    low, high = value_range(inverse)
    planes = find_planes(inverse)
    longer = max(depth_map.shape)
    focals = _FOCALS if focal_px is None else np.array([focal_px / longer])
    has_shift = inverse.ambiguity != "affine_invariant" and high > low
    shifts = np.array([low / (high - low)]) if has_shift else _SHIFTS
    belief = _belief(planes, focals, shifts)
    best = np.unravel_index(belief.argmax(), belief.shape)
    return _stated(
        (float(focals[best[0]] * longer), _interval(focals * longer, belief.sum(axis=1), best[0])),
        (float(shifts[best[1]]), _interval(shifts, belief.sum(axis=0), best[1])),
        (focal_px is not None, has_shift),
        planes,
    )


def find_planes(depth_map: DepthMap) -> Planes:
    """The largest planes of a map of inverse depth, at most eight; no shift or focal length is needed for that.

    Each in turn is the one that most of the remaining cells of the picture lie on, fitted to them.
    Raises ConventionError for a map without a valid pixel.
    """
    small = _small_map(depth_map)
    cells, total = _flat_cells(small), max(1, small.size // _CELL_PX**2)
    remaining = np.ones(len(cells), bool)
    found: list[tuple[float, ...]] = []
    while len(found) < _MOST_PLANES and remaining.any():
        members = _largest_plane(cells, remaining)
        count = np.count_nonzero(members)
        if count < max(_SMALLEST_SHARE * total, 3):
            break
        found.append((*_fitted(cells[members]), count / total))
        remaining &= ~members
    table = np.array(found).reshape(-1, 4)
    return Planes(table[:, :2], table[:, 2], table[:, 3])


def _flat_cells(u: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "n 5"]:
    """Rows (x, y, u, a, b) of the cells in which the map is a plane and not as far as a sky would be."""
    height, width = u.shape
    rows, columns = height // _CELL_PX, width // _CELL_PX
    cut = u[: rows * _CELL_PX, : columns * _CELL_PX].reshape(rows, _CELL_PX, columns, _CELL_PX)
    blocks = cut.transpose(0, 2, 1, 3).reshape(rows * columns, _CELL_PX**2)
    y, x = (np.mgrid[:_CELL_PX, :_CELL_PX] - (_CELL_PX - 1) / 2) / max(u.shape)
    design = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=1)
    fits = blocks @ np.linalg.pinv(design).T
    off = np.sqrt(np.mean((blocks - fits @ design.T) ** 2, axis=1))
    row, column = np.mgrid[:rows, :columns].reshape(2, -1) * _CELL_PX + _CELL_PX / 2
    places = np.stack([column - width / 2, row - height / 2], axis=1) / max(u.shape)
    cells = np.concatenate([places, fits[:, 2:], fits[:, :2]], axis=1)
    return cells[(off < _TOLERANCE) & (fits[:, 2] > _SKY_BELOW)]


def _small_map(depth_map: DepthMap) -> Float[np.ndarray, "h w"]:
    """Values from 0 (farthest) to 1 (nearest), NaN where not valid, the longer side at most 240 px."""
    low, high = value_range(depth_map)
    scale = min(1.0, _SIDE_PX / max(depth_map.shape))
    height, width = (max(1, round(length * scale)) for length in depth_map.shape)
    values = depth_map.resize((height, width)).values.astype(np.float64)
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _largest_plane(
    cells: Float[np.ndarray, "n 5"], remaining: Bool[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Which remaining cells lie on the plane that most lie on: that of one of them, then the one fitted to those."""
    x, y, u, a, b = cells[remaining].T
    levels = u - a * x - b * y
    step = 1 + len(u) // 400  # every cell of a plane is as good a guess as its neighbour
    guesses = np.stack([a, b, levels], axis=1)[::step]
    counts = [np.count_nonzero(_lies_on(guess, cells[remaining])) for guess in guesses]
    members = _lies_on(guesses[int(np.argmax(counts))], cells) & remaining
    for _ in range(3):
        if members.sum() < 3:
            break
        members = _lies_on(_fitted(cells[members]), cells) & remaining
    return members


def _lies_on(plane: Float[np.ndarray, " 3"], cells: Float[np.ndarray, "n 5"]) -> Bool[np.ndarray, " n"]:
    """Both the middle of a cell and what its slope comes to at its neighbour's far side."""
    x, y, u, a, b = cells.T
    reach = 2 * _CELL_PX / _SIDE_PX
    off = np.abs(plane[0] * x + plane[1] * y + plane[2] - u)
    turned = np.maximum(np.abs(a - plane[0]), np.abs(b - plane[1])) * reach
    return (off < _TOLERANCE) & (turned < _TOLERANCE)


def _fitted(cells: Float[np.ndarray, "n 5"]) -> Float[np.ndarray, " 3"]:
    design = np.concatenate([cells[:, :2], np.ones((len(cells), 1))], axis=1)
    return np.linalg.lstsq(design, cells[:, 2], rcond=None)[0]


def _belief(
    planes: Planes, focals: Float[np.ndarray, " f"], shifts: Float[np.ndarray, " s"]
) -> Float[np.ndarray, "f s"]:
    """How much of the belief lies at each focal length and shift: what is usual times what the planes say."""
    focal, shift = focals[:, None], shifts[None, :]
    score = -0.5 * (np.log(focal / _USUAL_FOCAL) / _FOCAL_DEVIATION) ** 2
    # a given shift, which may be 0, is not weighed against what is usual
    if len(shifts) > 1:
        score = score - 0.5 * (np.log(shift / _USUAL_SHIFT) / _SHIFT_DEVIATION) ** 2
    score = np.stack([score + _pairs_score(planes, focal, shift, math.radians(d)) for d in _DEVIATIONS_DEG])
    belief = np.exp(score - score.max()).sum(axis=0)
    return belief / belief.sum()


def _pairs_score(
    planes: Planes, focal: Float[np.ndarray, "f 1"], shift: Float[np.ndarray, "1 s"], deviation: float
) -> Float[np.ndarray, "f s"]:
    """The logarithm of how likely the angles between the planes are."""
    total = np.zeros((focal.size, shift.size))
    for i, j in itertools.combinations(range(len(planes.share)), 2):
        cosine = _cosine(planes, i, j, focal, shift)
        right = np.exp(-0.5 * (cosine / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
        weight = min(1.0, math.sqrt(planes.share[i] * planes.share[j]) / _FULL_SHARE)
        total += weight * np.log(_RIGHT_ANGLES * right + (1 - _RIGHT_ANGLES) * 0.5)
    return total


def _cosine(planes: Planes, i: int, j: int, focal: np.ndarray, shift: np.ndarray) -> Float[np.ndarray, "f s"]:
    """Of the angle between the normals (f·a, f·b, g + shift) of two planes."""
    slopes, levels = planes.slopes, planes.levels

    def product(k: int, m: int) -> np.ndarray:
        return focal**2 * (slopes[k] @ slopes[m]) + (levels[k] + shift) * (levels[m] + shift)

    return product(i, j) / np.sqrt(np.maximum(product(i, i) * product(j, j), 1e-30))


def _interval(
    values: Float[np.ndarray, " n"], belief: Float[np.ndarray, " n"], best: np.intp
) -> tuple[float, float]:
    """From where a tenth of the belief lies below to where a tenth lies above, and so far that it holds the best."""
    low, high = np.searchsorted(np.cumsum(belief), (0.1, 0.9)).clip(max=len(values) - 1)
    return float(values[min(low, best)]), float(values[max(high, best)])


def _stated(
    focal: tuple[float, tuple[float, float]],
    shift: tuple[float, tuple[float, float]],
    given: tuple[bool, bool],
    planes: Planes,
) -> Calibration:
    is_room = bool(planes.share.sum() >= _LEAST_COVER)
    focal_sure = given[0] or (is_room and focal[1][1] < _SURE_FOCAL * focal[1][0])
    shift_sure = given[1] or (is_room and shift[1][1] < _SURE_SHIFT * shift[1][0])
    words = (
        f"focal length {_between(focal, 'px', focal_sure)}; "
        f"farthest by nearest {_between(_depth_ratios(shift), 'times', shift_sure)}; "
        f"from {len(planes.share)} planes over {planes.share.sum():.0%} of the picture"
    )
    return Calibration(*focal, *shift, (focal_sure, shift_sure), words)


def _depth_ratios(shift: tuple[float, tuple[float, float]]) -> tuple[float, tuple[float, float]]:
    value, (low, high) = shift
    return far_of(value, 1), (far_of(high, 1), far_of(low, 1))


def _between(answer: tuple[float, tuple[float, float]], unit: str, sure: bool) -> str:
    value, (low, high) = answer
    if low == high:
        return f"{value:.3g} {unit} (given)"
    return f"{value:.3g} {unit} ({low:.3g} to {high:.3g}{'' if sure else ', not sure'})"
