"""Makes the pictures of docs/worlds.md.

python docs/make_worlds.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from openmidas.depth_map import DepthMap
from openmidas.files.heatmap import to_heatmap
from openmidas.training.datasets.entry import OrdinalPairs, Target
from openmidas.training.synthetic import FAMILIES
from openmidas.training.synthetic.degrade import DEGRADATIONS
from openmidas.training.synthetic.worlds import World, family_world

SIDE = 200
GAP = 6
HOLE = 70  # grey of what is not known
NEARER, FARTHER, EQUAL = (255, 80, 40), (60, 130, 255), (220, 220, 220)
TITLES = {
    "rendered": "truth",
    "lidar": "LiDAR",
    "rgbd": "RGB-D",
    "stereo": "stereo",
    "sfm": "structure from motion",
    "ordinal": "ordinal pairs",
}
SEEDS = {
    "room": (101, 104, 5),
    "street": (100, 2, 106),
    "tabletop": (107, 1, 106),
    "clutter": (100, 102, 106),
}


def heatmap(depth_map: DepthMap) -> np.ndarray:
    """The map's colours, grey where it knows nothing; dots of a scanner a little larger than they are."""
    coloured = to_heatmap(depth_map).copy()
    coloured[~depth_map.valid] = HOLE
    if depth_map.valid.mean() < 0.35:
        grown = cv2.dilate(np.where(depth_map.valid[..., None], coloured, 0), np.ones((2, 1), np.uint8))
        coloured = np.where(grown.any(axis=2, keepdims=True), grown, coloured)
    return coloured


def with_pairs(image: np.ndarray, pairs: OrdinalPairs) -> np.ndarray:
    """The picture with some of its pairs: a line, red at the nearer end, blue at the farther."""
    drawn = (image // 2 + 100).astype(np.uint8)
    for first, second, relation in list(zip(pairs.first, pairs.second, pairs.relation, strict=True))[:24]:
        ends = [tuple(p[::-1].tolist()) for p in (first, second)]
        cv2.line(drawn, *ends, (255, 255, 255), 1, cv2.LINE_AA)
        for end, nearness in zip(ends, (relation, -relation), strict=True):
            cv2.circle(drawn, end, 4, {1: NEARER, -1: FARTHER, 0: EQUAL}[int(nearness)], -1, cv2.LINE_AA)
    return drawn


def shown(world: World, target: Target) -> np.ndarray:
    """A target as a picture."""
    return with_pairs(world.image, target) if isinstance(target, OrdinalPairs) else heatmap(target)


def sheet(rows: list[list[np.ndarray]], titles: list[str]) -> Image.Image:
    """Tiles in rows, under titles where there are any."""
    top = 26 if titles else 0
    step = SIDE + GAP
    page = Image.new("RGB", (step * len(rows[0]) - GAP, top + step * len(rows) - GAP), "white")
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            page.paste(Image.fromarray(tile), (j * step, top + i * step))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for j, title in enumerate(titles):
        pen.text((j * step + SIDE / 2, 12), title, "black", font, "mm")
    return page


def families() -> Image.Image:
    """Three worlds of each kind with their truth."""
    rows = []
    for family in FAMILIES:
        worlds = [family_world(family, seed, (SIDE, SIDE)) for seed in SEEDS.get(family, (101, 106, 3))]
        rows.append([tile for w in worlds for tile in (w.image, heatmap(w.depth_map))])
    return sheet(rows, [])


def degradations() -> Image.Image:
    """Four worlds as each sensor and method sees them."""
    rows = []
    for family, seed in (("room", 104), ("street", 2), ("tabletop", 107), ("landscape", 101)):
        world = family_world(family, seed, (SIDE, SIDE))
        targets = [
            DEGRADATIONS[name](world.depth_map, world.image, np.random.default_rng(seed)) for name in TITLES
        ]
        rows.append([world.image, *(shown(world, target) for target in targets)])
    return sheet(rows, ["picture", *TITLES.values()])


def main() -> None:
    """Write both sheets."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "pictures"
    for name, page in (("worlds-families", families()), ("worlds-degraded", degradations())):
        page.save(folder / f"{name}.webp", quality=72, method=6)


if __name__ == "__main__":
    main()
