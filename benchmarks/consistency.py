"""What a network's disagreement with itself says of its error, where the truth is known.

python benchmarks/consistency.py [--measured DIR] [--model NAME] [--scenes N]

Prints a table and one JSON line: Spearman's rank correlation of the disagreement with the error of the fitted inverse
depth, pixel by pixel within a picture and picture by picture, and the quartiles that the words of `openmidas check` go
by. `--measured` is a folder as `openmidas.evaluation.folder.read_measured` reads it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import openmidas
from damage import spearman
from openmidas.alignment import align
from openmidas.depth_map import DepthMap, value_range
from openmidas.evaluation.consistency import consistency
from openmidas.evaluation.folder import read_measured
from openmidas.files.images import read_image
from openmidas.models.predictor import Predictor
from openmidas.training.synthetic import FAMILIES, render

FIRST_SEED = 950_000  # far from the seeds that training renders with, and from those of accuracy.py


class Row(NamedTuple):
    """Of one picture: Spearman's correlation over its pixels; 95th percentiles, as shares of the depth range."""

    pixels: float
    disagreement: float
    error: float


def measure(predictor: Predictor, pictures: Iterable[tuple[np.ndarray, DepthMap]]) -> list[Row]:
    """A row for each picture and its truth."""
    rows = []
    for image, truth in pictures:
        found = consistency(predictor, image)
        inverse = truth.to_inverse_depth()
        known = inverse.valid & np.isfinite(found.disagreement)
        low, high = value_range(inverse)
        error = np.abs(align(found.answer, inverse).values - inverse.values)[known] / (high - low)
        disagreement = found.disagreement[known]
        percentiles = (float(np.percentile(values, 95)) for values in (disagreement, error))
        rows.append(Row(spearman(disagreement, error), *percentiles))
    return rows


def scenes(count: int) -> Iterator[tuple[np.ndarray, DepthMap]]:
    """Rendered scenes of all families in turn, with crops of the examples on their surfaces."""
    examples = Path(__file__).parent.parent / "examples"
    textures = [read_image(path) for path in sorted(examples.glob("*.jpg"))]
    families = list(FAMILIES)
    for index in range(count):
        yield render(families[index % len(families)], FIRST_SEED + index, (240, 320), textures)


def summary(rows: Sequence[Row]) -> dict[str, float | list[float]]:
    """Means, the correlation over pictures, and the quartiles of their disagreement."""
    disagreements = [row.disagreement for row in rows]
    return {
        "pictures": len(rows),
        "pixel_by_pixel": round(float(np.mean([row.pixels for row in rows])), 3),
        "picture_by_picture": round(spearman(disagreements, [row.error for row in rows]), 3),
        "quartiles": [round(float(q), 3) for q in np.percentile(disagreements, (25, 50, 75))],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--measured", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--scenes", type=int, default=100)
    options = parser.parse_args()
    predictor = openmidas.load(options.model)
    found = {"rendered scenes": measure(predictor, scenes(options.scenes))}
    if options.measured:
        pictures = ((each.image, each.target) for each in read_measured(options.measured))
        found["measured photographs"] = measure(predictor, pictures)
    table = {name: summary(rows) for name, rows in found.items()}
    print("| | pictures | pixel by pixel | picture by picture | quartiles of the disagreement |")
    print("|---|---|---|---|---|")
    for name, row in table.items():
        print(f"| {name} | " + " | ".join(map(str, row.values())) + " |")
    print(json.dumps({"benchmark": "consistency", "model": options.model, **table}))


if __name__ == "__main__":
    main()
