"""The protocol and its metrics once more, in plain loops, written from the rules and not from the package."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

Numbers = Sequence[float] | np.ndarray


def metrics(predicted: Numbers, true: Numbers) -> dict[str, float]:
    """Every pixelwise metric of depths that count."""
    pairs = [(float(z), float(t)) for z, t in zip(predicted, true, strict=True)]
    count = len(pairs)
    logs = [math.log(z) - math.log(t) for z, t in pairs]
    mean_log = math.fsum(logs) / count
    within = [sum(max(z / t, t / z) < 1.25**n for z, t in pairs) / count for n in (1, 2, 3)]
    return {
        "AbsRel": math.fsum(abs(z - t) / t for z, t in pairs) / count,
        "SqRel": math.fsum((z - t) ** 2 / t for z, t in pairs) / count,
        "RMSE": math.sqrt(math.fsum((z - t) ** 2 for z, t in pairs) / count),
        "RMSE log": math.sqrt(math.fsum(d**2 for d in logs) / count),
        "log10": math.fsum(abs(math.log10(z) - math.log10(t)) for z, t in pairs) / count,
        "SILog": 100 * math.sqrt(math.fsum((d - mean_log) ** 2 for d in logs) / count),
        "δ<1.25": within[0],
        "δ<1.25²": within[1],
        "δ<1.25³": within[2],
        "% δ>1.25": 100 * sum(max(z / t, t / z) >= 1.25 for z, t in pairs) / count,
    }


def fitted_depth(
    prediction: np.ndarray, depth: np.ndarray, counted: np.ndarray, space: str, limits: tuple[float, float]
) -> np.ndarray:
    """Least squares by NumPy's solver, in inverse depth or in depth; clamped."""
    places = list(zip(*np.nonzero(counted), strict=True))
    columns = np.array([[float(prediction[place]), 1.0] for place in places])
    goal = np.array([1 / depth[p] if space == "inverse_depth" else depth[p] for p in places], np.float64)
    (scale, shift), *_ = np.linalg.lstsq(columns, goal, rcond=None)
    fitted = np.empty(prediction.shape)
    for place in np.ndindex(prediction.shape):
        value = scale * float(prediction[place]) + shift
        if space == "inverse_depth":
            value = 1 / max(value, 1 / limits[1])
        fitted[place] = min(max(value, limits[0]), limits[1])
    return fitted


def boundaries(predicted: np.ndarray, true: np.ndarray) -> tuple[float, float, float]:
    """Precision, recall, F1 of Depth Pro."""
    rows = []
    for threshold in (1.05 + 0.2 * step / 9 for step in range(10)):
        precisions, recalls = [], []
        for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            found = set(_edges(predicted, threshold, down, right))
            wanted = set(_edges(true, threshold, down, right))
            if found or wanted:
                precisions.append(len(found & wanted) / max(len(found), 1))
                recalls.append(len(found & wanted) / max(len(wanted), 1))
        if precisions:
            precision, recall = math.fsum(precisions) / len(precisions), math.fsum(recalls) / len(recalls)
            both = precision + recall
            rows.append((threshold, precision, recall, 2 * precision * recall / both if both else 0.0))
    total = math.fsum(row[0] for row in rows)
    precision, recall, f1 = (math.fsum(row[0] * row[i] for row in rows) / total for i in (1, 2, 3))
    return precision, recall, f1


def _edges(depth: np.ndarray, threshold: float, down: int, right: int) -> Iterator[tuple[int, int]]:
    """Known pixels whose neighbour on that side is known and more than `threshold` times as far."""
    height, width = depth.shape
    for row, column in np.ndindex(height, width):
        there = row + down, column + right
        if not (0 <= there[0] < height and 0 <= there[1] < width):
            continue
        one, other = depth[row, column], depth[there]
        if not (math.isnan(one) or math.isnan(other)) and other / one > threshold:
            yield row, column


def edge_errors(found: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Accuracy and completeness of iBims-1, by looking at every pair of pixels."""
    found_places, true_places = (list(zip(*np.nonzero(edges), strict=True)) for edges in (found, true))

    def nearest(place: tuple[int, int], places: list[tuple[int, int]]) -> float:
        return min((math.dist(place, other) for other in places), default=math.inf)

    near = [d for d in (nearest(place, true_places) for place in found_places) if d < 10]
    if not near:
        return 10.0, 10.0
    missed = [min(nearest(place, found_places), 10.0) for place in true_places]
    return math.fsum(near) / len(near), math.fsum(missed) / len(missed)


def relation(first: float, second: float, equal_ratio: float) -> int:
    """+1 when the first of two depths is nearer, -1 when the second is, 0 when they are equal within a ratio."""
    if max(first / second, second / first) <= equal_ratio:
        return 0
    return 1 if first < second else -1


def temporal_error(
    depths: Sequence[np.ndarray], intrinsics: np.ndarray, world_to_camera: Sequence[np.ndarray]
) -> float:
    """TAE in percent, a point at a time."""
    errors = []
    for k in range(len(depths) - 1):
        for a, b in ((k, k + 1), (k + 1, k)):
            seen: dict[tuple[int, int], float] = {}
            height, width = depths[a].shape
            for row, column in np.ndindex(height, width):
                ray = np.linalg.inv(intrinsics) @ [column + 0.5, row + 0.5, 1]
                point = np.append(ray * depths[a][row, column], 1)
                x, y, z, _ = world_to_camera[b] @ np.linalg.inv(world_to_camera[a]) @ point
                u, v, w = intrinsics @ [x, y, z]
                place = math.floor(v / w), math.floor(u / w)
                if z > 0 and 0 <= place[0] < height and 0 <= place[1] < width:
                    seen[place] = min(z, seen.get(place, math.inf))
            errors.append(
                math.fsum(abs(z - depths[b][p]) / depths[b][p] for p, z in seen.items()) / len(seen)
            )
    return 100 * math.fsum(errors) / len(errors)


def resized(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bilinear, pixel centres at 0.5 (align_corners=False), the edge repeated outside."""
    result = np.empty(shape)
    for row, column in np.ndindex(shape):
        y, x = (
            (row + 0.5) * values.shape[0] / shape[0] - 0.5,
            (column + 0.5) * values.shape[1] / shape[1] - 0.5,
        )
        total = 0.0
        for i in (math.floor(y), math.floor(y) + 1):
            for j in (math.floor(x), math.floor(x) + 1):
                inside = np.clip(i, 0, values.shape[0] - 1), np.clip(j, 0, values.shape[1] - 1)
                total += (1 - abs(y - i)) * (1 - abs(x - j)) * float(values[inside])
        result[row, column] = total
    return result
