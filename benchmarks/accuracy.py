"""Accuracy of the embedded network beside a teacher's ONNX file and the trivial answer, by one protocol.

python benchmarks/accuracy.py --measured DIR [--kinect DIR --hold-out 534:596] [--teacher FILE.onnx]

Prints a table and one JSON line. `--measured` is a folder as `openmidas.evaluation.folder.read_measured` reads it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

import openmidas
from openmidas.depth_map import DepthMap
from openmidas.evaluation.folder import Measured, read_measured, scores_by_set
from openmidas.evaluation.metrics import Scores, boundary_f1
from openmidas.files.images import read_image
from openmidas.training.held import read_kinect
from openmidas.training.synthetic import FAMILIES, render

Predict = Callable[[np.ndarray], DepthMap]
SCENES = 40
FIRST_SEED = 900_000  # far from the seeds that training renders with


def lower_is_nearer(image: np.ndarray) -> DepthMap:
    """The trivial answer: inverse depth grows linearly from the top row to the bottom row."""
    height, width = image.shape[:2]
    ramp = np.repeat(np.linspace(0, 1, height, dtype=np.float32)[:, None], width, axis=1)
    return DepthMap.from_values(ramp, "inverse_depth", "affine_invariant")


def fixed_size_network(path: Path) -> Predict:
    """An ONNX network of fixed input size that takes RGB 0 ... 255, the picture squeezed to it by area."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (node,) = session.get_inputs()
    height, width = node.shape[2:]

    def predict(image: np.ndarray) -> DepthMap:
        pixels = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        (output,) = session.run(None, {node.name: pixels.transpose(2, 0, 1)[None]})
        values = cv2.resize(output.reshape(height, width), image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        return DepthMap.from_values(values, "inverse_depth", "affine_invariant")

    return predict


def kinect_rooms(folder: Path, blocks: list[str]) -> Iterator[Measured]:
    """The rooms of the blocks "first:end", numbers that training left out."""
    for block in blocks:
        first, end = (int(number) for number in block.split(":"))
        for sample in read_kinect(folder, range(first, end).__contains__):
            yield Measured(
                "rooms", sample.image, DepthMap.from_values(sample.target, "inverse_depth", "metric")
            )


def rendered_edges(predict: Predict, textures: list[np.ndarray]) -> float:
    """Mean boundary F1 over rendered scenes that no training saw."""
    scores = []
    for index in range(SCENES):
        family = list(FAMILIES)[index % len(FAMILIES)]
        image, truth = render(family, FIRST_SEED + index, (240, 320), textures)
        scores.append(boundary_f1(predict(image), truth))
    return float(np.mean(scores))


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--measured", type=Path, required=True)
    parser.add_argument("--kinect", type=Path)
    parser.add_argument("--hold-out", nargs="*", default=["534:596", "1134:1196"])
    parser.add_argument("--teacher", type=Path)
    options = parser.parse_args()

    predictors: dict[str, Predict] = {"lower is nearer": lower_is_nearer}
    if options.teacher:
        predictors["teacher's ONNX, 192×320"] = fixed_size_network(options.teacher)
    predictors["openmidas tiny"] = openmidas.load("tiny")
    measured = read_measured(options.measured)
    rooms = list(kinect_rooms(options.kinect, options.hold_out)) if options.kinect else []
    examples = Path(__file__).parent.parent / "examples"
    textures = [read_image(path) for path in sorted(examples.glob("*.jpg"))]

    table = {}
    for name, predict in predictors.items():
        scores = scores_by_set(predict, measured)
        held_out = scores_by_set(predict, rooms)["rooms"] if rooms else None
        table[name] = (scores, held_out, rendered_edges(predict, textures))
    print_table(table)


def print_table(table: dict[str, tuple[dict[str, Scores], Scores | None, float]]) -> None:
    """AbsRel by set, means, held-out rooms, edges; then the same as JSON."""
    sets = list(next(iter(table.values()))[0])
    print(
        "| | "
        + " | ".join(f"{s} AbsRel" for s in sets)
        + " | mean δ<1.25 | rooms AbsRel | rooms δ<1.25 | edge F1 |"
    )
    print("|---|" + "---|" * (len(sets) + 4))
    for name, (scores, rooms, edges) in table.items():
        cells = [f"{scores[s].abs_rel:.4f}" for s in sets] + [f"{scores['mean'].delta1:.3f}"]
        cells += [f"{rooms.abs_rel:.4f}", f"{rooms.delta1:.3f}"] if rooms else ["–", "–"]
        print(f"| {name} | " + " | ".join([*cells, f"{edges:.3f}"]) + " |")
    rows = {
        name: {"sets": scores, "rooms": rooms, "edge_f1": round(edges, 4)}
        for name, (scores, rooms, edges) in table.items()
    }
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
