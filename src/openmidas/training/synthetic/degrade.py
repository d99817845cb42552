"""Perfect depth made as imperfect as that of the sensors and methods that data sets are measured with.

Every degradation takes metric truth, its picture (sRGB) and random numbers, and changes neither. None knows the
camera: where a baseline in pixels is needed, the focal length is taken as `FOCAL` of the longer side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.training.datasets.entry import OrdinalPairs, Target

Image = UInt8[np.ndarray, "h w 3"]
Values = Float[np.ndarray, "h w"]
Valid = Bool[np.ndarray, "h w"]

FOCAL = 0.9

LIDAR_RANGE_M = (0.9, 80.0)
LIDAR_NOISE_M = 0.02
_LIDAR_LINES = (16, 64)

RGBD_RANGE_M = (0.4, 8.0)
RGBD_BASELINE_M = 0.075
RGBD_STEP_PX = 1 / 8

PAIR_RATIO = 1.15
PAIRS_WRONG = 0.05

_SFM_NOISE = 0.01
_SFM_OUTLIERS = 0.02
_STEREO_NOISE = 0.004  # of the range of disparities in a picture
_STEREO_REACH = (0.02, 0.08)  # largest disparity, of the width


def lidar(truth: DepthMap, image: Image, rng: np.random.Generator) -> DepthMap:
    """Metric depth on 16 to 64 scan lines, sparse, as of a spinning laser beside the camera.

    Noise: 2 cm. A return is read up to two pixels beside its own place, so that near edges bleed. Lost: what is
    not between 0.9 and 80 m, one return in twelve, and up to half of them on the darkest surfaces. The lines leave
    up to a third of the picture's top free, and lie up to two degrees askew.
    """
    depth = _metric_depth(truth, image)
    rows, columns = _scan_lines(truth.shape, rng)
    places = columns + np.clip(np.rint(rng.normal(0, 0.5, columns.shape)), -2, 2).astype(np.int64)
    read = depth[rows, np.clip(places, 0, truth.shape[1] - 1)]
    darkness = 1 - np.minimum(_luma(image)[rows, columns] / 0.25, 1)
    kept = rng.random(read.shape) > 0.08 + 0.42 * darkness
    kept &= (read >= LIDAR_RANGE_M[0]) & (read <= LIDAR_RANGE_M[1])
    values = np.full(truth.shape, np.nan)
    values[rows[kept], columns[kept]] = read[kept] + rng.normal(0, LIDAR_NOISE_M, np.count_nonzero(kept))
    return DepthMap.from_values(values, "depth", "metric")


def _scan_lines(
    shape: tuple[int, int], rng: np.random.Generator
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Row and column of every return."""
    height, width = shape
    count = min(int(rng.integers(_LIDAR_LINES[0], _LIDAR_LINES[1] + 1)), max(height // 3, 1))
    starts = np.linspace(rng.uniform(0, height / 3), height - rng.uniform(0.5, 1.5), count)
    slope = np.tan(np.radians(rng.uniform(-2, 2)))
    columns = np.arange(width)
    rows = np.floor(starts[:, None] + slope * (columns - width / 2)).astype(np.int64)
    inside = (rows >= 0) & (rows < height)
    return rows[inside], np.broadcast_to(columns, rows.shape)[inside]


def rgbd(truth: DepthMap, image: Image, rng: np.random.Generator) -> DepthMap:
    """Metric depth as of a structured-light camera, with holes.

    Noise: 1.2 mm + 1.9 mm/m² · (z - 0.4 m)² (Nguyen, Izadi and Lovell 2012). Steps: an eighth of a pixel of
    disparity at a baseline of 7.5 cm. Lost: what is not between 0.4 and 8 m, what the projector's light does not
    reach beside a near edge, a pixel on either side of every edge, most of the black and the glaring, and patches of a
    hundredth of the rest.
    """
    depth = _metric_depth(truth, image)
    baseline_px = RGBD_BASELINE_M * FOCAL * max(truth.shape)
    inverse = 1 / depth
    lost = half_occluded(inverse * baseline_px) | _at_edges(inverse) | _patches(truth.shape, 0.01, rng)
    luma = _luma(image)
    lost |= ((luma < 0.004) | (image.min(axis=2) > 250)) & (rng.random(truth.shape) < 0.9)
    noisy = depth + rng.normal(0, 1, truth.shape) * (0.0012 + 0.0019 * np.square(np.minimum(depth, 20) - 0.4))
    stepped = baseline_px / np.maximum(np.rint(baseline_px / noisy / RGBD_STEP_PX), 1) / RGBD_STEP_PX
    lost |= (stepped < RGBD_RANGE_M[0]) | (stepped > RGBD_RANGE_M[1])
    return DepthMap.from_values(np.where(lost, np.nan, stepped), "depth", "metric")


def stereo(truth: DepthMap, image: Image, rng: np.random.Generator) -> DepthMap:
    """Affine-invariant inverse depth as the matched disparity (pixels) of a film's or the web's stereo pair.

    The baseline is unknown, such that disparities span 2 to 8 % of the width, and converged cameras add an unknown
    shift. Noise: 0.4 % of that span. Lost: what the other eye does not see. Wrong: near things grow by a pixel, and
    in smooth surroundings patches of a tenth have the disparity of somewhere else. Sky is valid, with the shift.
    """
    inverse = _metric_inverse(truth, image)
    span = float(inverse.max()) or 1.0
    reach_px = rng.uniform(*_STEREO_REACH) * truth.shape[1]
    disparity = inverse / span * reach_px
    lost = half_occluded(disparity) | ~truth.valid
    matched = _grown(disparity)
    texture = _texture(image)
    wrong = (texture <= np.quantile(texture, 0.4)) & _patches(truth.shape, 0.1, rng) & (inverse > 0)
    elsewhere = np.roll(matched, rng.integers(truth.shape), (0, 1))
    matched = np.where(wrong, elsewhere, matched)
    noise = rng.normal(0, _STEREO_NOISE * reach_px, truth.shape) * (inverse > 0)
    shifted = matched + noise + rng.uniform(-0.5, 0.5) * reach_px
    return DepthMap.from_values(np.where(lost, np.nan, shifted), "inverse_depth", "affine_invariant")


def structure_from_motion(truth: DepthMap, image: Image, rng: np.random.Generator) -> DepthMap:
    """Depth up to a factor, where the picture has texture, as of many photographs of one place.

    The factor is between a tenth and ten. Noise: 1 % of the depth. Known: the most textured quarter to three
    quarters of the picture, but no sky and nothing beyond eight times the median depth. Wrong: 2 % of what is known
    has the depth of another pixel.
    """
    depth = _metric_depth(truth, image)
    solid = np.isfinite(depth)
    texture = _texture(image)
    known = solid & (texture > np.quantile(texture, 1 - rng.uniform(0.25, 0.75)))
    if known.any():
        known &= depth <= 8 * np.median(depth[known])
    values = np.where(known, depth * np.exp(_SFM_NOISE * rng.normal(0, 1, truth.shape)), np.nan)
    rows, columns = np.nonzero(known & (rng.random(truth.shape) < _SFM_OUTLIERS))
    values[rows, columns] = rng.permutation(values[known])[: len(rows)]
    factor = np.exp(rng.uniform(np.log(0.1), np.log(10)))
    return DepthMap.from_values(values * factor, "depth", "scale_invariant")


def ordinal_pairs(truth: DepthMap, image: Image, rng: np.random.Generator, count: int = 3000) -> OrdinalPairs:
    """Random pairs of pixels and which is nearer: by people, who err.

    Depths within 15 % of each other count as equal. Wrong: one pair in twenty says the opposite, or of equal ones
    that either is nearer. A map with fewer than two valid pixels has no pairs.
    """
    inverse = _metric_inverse(truth, image)
    rows, columns = np.nonzero(truth.valid)
    pixels = np.stack([rows, columns], axis=1)
    drawn = rng.integers(max(len(pixels), 1), size=(count if len(pixels) > 1 else 0, 2))
    drawn = drawn[drawn[:, 0] != drawn[:, 1]]
    first, second = pixels[drawn[:, 0]], pixels[drawn[:, 1]]
    a, b = inverse[tuple(first.T)], inverse[tuple(second.T)]
    relation = (a > PAIR_RATIO * b).astype(np.int64) - (b > PAIR_RATIO * a)
    either = rng.choice([-1, 1], len(relation))
    wrong = rng.random(len(relation)) < PAIRS_WRONG
    relation = np.where(wrong, np.where(relation == 0, either, -relation), relation)
    return OrdinalPairs(first, second, relation, truth.shape)


def unchanged(truth: DepthMap, image: Image, rng: np.random.Generator) -> DepthMap:
    """The truth itself."""
    return truth


Degradation = Callable[[DepthMap, Image, np.random.Generator], Target]

DEGRADATIONS: Mapping[str, Degradation] = MappingProxyType(
    {
        "lidar": lidar,
        "rgbd": rgbd,
        "stereo": stereo,
        "sfm": structure_from_motion,
        "ordinal": ordinal_pairs,
        "rendered": unchanged,
    }
)


def half_occluded(disparity_px: Values) -> Valid:
    """Which pixels the eye to the right does not see: another one of the row, nearer, lands on theirs.

    disparity_px: how far to the left a pixel is in the other picture; what lands outside it is not seen either.
    """
    height, width = disparity_px.shape
    landing = np.floor(np.arange(width) + 0.5 - disparity_px).astype(np.int64)
    inside = (landing >= 0) & (landing < width)
    rows = np.broadcast_to(np.arange(height)[:, None], landing.shape)
    nearest = np.full((height, width), -np.inf)
    np.maximum.at(nearest, (rows[inside], landing[inside]), disparity_px[inside])
    # a near surface that slants away lands with gaps, through which what lies behind is not seen
    closed = np.maximum(nearest, np.minimum(_beside(nearest, -1), _beside(nearest, 1)))
    seen_at = closed[rows, np.clip(landing, 0, width - 1)]
    return ~inside | (seen_at > disparity_px + 1)


def _beside(values: Values, step: int) -> Values:
    """The value to the left (-1) or right (1) of every pixel, at the border its own."""
    columns = np.clip(np.arange(values.shape[1]) + step, 0, values.shape[1] - 1)
    return values[:, columns]


def _metric_inverse(truth: DepthMap, image: Image) -> Values:
    """Inverse depth in 1/m, 0 where not valid. Raises ConventionError for other truth, or another picture's."""
    if truth.ambiguity != "metric" or image.shape[:2] != truth.shape:
        size = "×".join(map(str, image.shape[:2]))
        raise ConventionError(f"degrading needs metric truth of its picture, not {truth!r} of one of {size}")
    inverse = truth.to_inverse_depth()
    return np.where(inverse.valid, inverse.values, 0).astype(np.float64)


def _metric_depth(truth: DepthMap, image: Image) -> Values:
    """Depth in metres, infinite for sky and where not valid."""
    inverse = _metric_inverse(truth, image)
    return np.divide(1, inverse, out=np.full(inverse.shape, np.inf), where=inverse > 0)


def _luma(image: Image) -> Values:
    """Brightness in linear light, 0 to 1."""
    return (image @ np.array([0.299, 0.587, 0.114]) / 255) ** 2.2


def _texture(image: Image) -> Values:
    """How much the picture changes around each pixel."""
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    change = np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    return np.asarray(cv2.blur(change, (5, 5)))


def _at_edges(inverse: Values) -> Valid:
    """Within a pixel of where depth jumps by more than a tenth."""
    largest, smallest = _grown(inverse), -_grown(-inverse)
    return largest > 1.1 * smallest


def _grown(values: Values) -> Values:
    """The largest of each pixel and its eight neighbours."""
    import cv2

    return np.asarray(cv2.dilate(values, np.ones((3, 3), np.uint8)))


def _patches(shape: tuple[int, int], share: float, rng: np.random.Generator) -> Valid:
    """Blotches that cover about a share of a picture."""
    import cv2

    height, width = shape
    coarse = rng.standard_normal((max(height // 12, 2), max(width // 12, 2)))
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth < np.quantile(smooth, share))
