"""Does the predicted damage of a view from elsewhere say how wrong that view is?

python benchmarks/damage.py [--seeds 3] [--height 144]

Ray-traced worlds, for which the view from elsewhere is known: the picture and its exact depth become a scene, the
scene is rendered from displaced cameras, and each view is compared with what the ray tracer sees there. Prints a
table and one JSON line: Spearman's rank correlation of the predicted damage with 1 - SSIM, and with the share of
pixels whose local SSIM is below one half, of each family of worlds and of all views together.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from skimage.metrics import structural_similarity

from openmidas.camera import Camera
from openmidas.depth_map import DepthMap
from openmidas.files import read_image
from openmidas.scene.damage import damage_of, to_probe
from openmidas.scene.layers import build_scene
from openmidas.scene.views import displaced, render_view
from openmidas.training.synthetic import FAMILIES
from openmidas.training.synthetic.shading import Scene as World
from openmidas.training.synthetic.shading import shade

EXAMPLES = Path(__file__).parent.parent / "examples"
SHARES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7)
SIDEWAYS = 0.6  # of the distance to the subject, for a share of 1
FORWARD = 0.9  # of the distance to the nearest things


class Row(NamedTuple):
    """One view: which world, the way (right, down, forward), and how wrong it was predicted to be and is."""

    family: str
    seed: int
    way: tuple[int, int, int]
    share: float
    damage: float
    error: float
    broken: float


def measure(
    family: str,
    seed: int,
    size: tuple[int, int],
    ways: Sequence[tuple[int, int, int]],
    shares: Sequence[float],
) -> list[Row]:
    """Predicted and true damage of the views of one world from displaced cameras."""
    textures = [read_image(path) for path in sorted(EXAMPLES.glob("*.jpg"))]
    world = FAMILIES[family](np.random.default_rng([seed, 0]), size, textures)
    picture, inverse_depth = shade(world, seed)
    depth_map = DepthMap.from_values(inverse_depth, "inverse_depth", "metric")
    scene = build_scene(picture, depth_map, Camera.from_focal(size, world.view.focal_px))
    probe = to_probe(scene)
    nearest_m = min(1 / float(np.percentile(inverse_depth, 98)), probe.pivot_m)
    rows = []
    for way in ways:
        for share in shares:
            offset_m = np.array(way) * share * (FORWARD * nearest_m if way[2] else SIDEWAYS * probe.pivot_m)
            camera, shift_px = with_whole_shift(displaced(scene.camera, offset_m, probe.pivot_m))
            damage = damage_of(probe, camera).total
            errors = compare(render_view(scene, camera), true_view(world, seed, offset_m, shift_px))
            rows.append(Row(family, seed, way, share, damage, *errors))
    return rows


def with_whole_shift(camera: Camera) -> tuple[Camera, np.ndarray]:
    """The camera with its lens shifted by whole pixels, and by how many (right, down): a crop can do the same."""
    height, width = camera.shape
    intrinsics = camera.intrinsics.copy()
    shift_px = np.rint(intrinsics[:2, 2] - (width / 2, height / 2)).astype(int)
    intrinsics[:2, 2] = np.array([width / 2, height / 2]) + shift_px
    return replace(camera, intrinsics=intrinsics), shift_px


def true_view(world: World, seed: int, offset_m: np.ndarray, shift_px: np.ndarray) -> np.ndarray:
    """What the ray tracer sees from there: a larger picture, cut so that the optical axis lies off its middle."""
    height, width = world.view.size
    more_x, more_y = np.abs(shift_px)
    position = world.view.position + offset_m @ world.view.axes
    view = replace(world.view, position=position, size=(height + 2 * more_y, width + 2 * more_x))
    left, top = np.abs(shift_px) - shift_px
    return shade(replace(world, view=view), seed)[0][top : top + height, left : left + width]


def compare(view: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """1 - SSIM, and the share of pixels whose SSIM around them is below one half.

    The ray tracer exposes every picture for itself, so the view is brought to the truth's median first.
    """
    known = view.any(axis=2)
    gain = (np.median(truth[known]) + 1) / (np.median(view[known]) + 1) if known.any() else 1
    exposed = np.clip(view * gain, 0, 255).astype(np.uint8)
    similarity, local = structural_similarity(
        exposed, truth, channel_axis=2, gaussian_weights=True, full=True
    )
    return float(1 - similarity), float((local.mean(axis=2) < 0.5).mean())


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """The correlation of two lists' ranks, equal numbers at their mean rank."""
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(numbers: Sequence[float]) -> np.ndarray:
    _, place, count = np.unique(np.asarray(numbers), return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="worlds of each family")
    parser.add_argument("--height", type=int, default=144, help="of the pictures; they are 4:3")
    arguments = parser.parse_args()
    size, ways = (arguments.height, arguments.height * 4 // 3), ((1, 0, 0), (-1, 0, 0), (0, -1, 0), (0, 0, 1))
    rows: list[Row] = []
    print(f"{'worlds':12}{'views':>6}{'1-SSIM':>9}{'broken':>9}   (Spearman with the predicted damage)")
    for family in FAMILIES:
        found = [row for seed in range(arguments.seeds) for row in measure(family, seed, size, ways, SHARES)]
        print_row(family, found)
        rows += found
    print_row("all", rows)
    for low, high in ((0, 0.02), (0.02, 0.05), (0.05, 0.1), (0.1, 0.2), (0.2, 0.4), (0.4, 1.01)):
        errors = [row.error for row in rows if low <= row.damage < high]
        print(
            f"predicted {low:4.0%} to {high:4.0%}: {len(errors):4} views, median 1-SSIM {np.median(errors):.3f}"
        )
    damages = [row.damage for row in rows]
    result = {
        "benchmark": "damage",
        "views": len(rows),
        "spearman_error": round(spearman(damages, [row.error for row in rows]), 3),
        "spearman_broken": round(spearman(damages, [row.broken for row in rows]), 3),
    }
    print(json.dumps(result))


def print_row(name: str, rows: Sequence[Row]) -> None:
    damages = [row.damage for row in rows]
    error, broken = (spearman(damages, [getattr(row, key) for row in rows]) for key in ("error", "broken"))
    print(f"{name:12}{len(rows):6}{error:9.3f}{broken:9.3f}", flush=True)


if __name__ == "__main__":
    main()
