"""Whether reading and rendering pictures keeps up with training: pictures a second of both, and their ratio.

python benchmarks/training.py [--steps 48] [--rounds 3]

Prints a table and one JSON line. `alone` is forward and backward on minibatches that are there already; `training` is
the whole loop, as its log says: reading or rendering, augmentation, losses, optimiser, averages. `alone` is taken
before and after `training`, and the ratio is the median over the rounds. Other work on the machine makes all three
meaningless. Pictures on disk are measured twice: as they are used, kept once they were read, which sets that
fit into memory are after their first epoch; and opened anew each time, as larger sets are.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from openmidas.files.cores import usable_cores
from openmidas.files.image_writing import write_image
from openmidas.networks.tiny import TinyNetwork, insert_tiny_norms
from openmidas.training.annotations import sample_of
from openmidas.training.data import Batch, Source, draw_batch
from openmidas.training.datasets.layouts import LAYOUTS
from openmidas.training.distributed import ALONE
from openmidas.training.loop import Running, losses_of, plan_of, train
from openmidas.training.recipes import RECIPES, Part, Phase, Recipe
from openmidas.training.run_folder import read_log
from openmidas.training.sources import open_source
from openmidas.training.synthetic.worlds import world

PICTURES = 48
SHAPE = (480, 640)  # of the pictures on disk
BATCH = 16
CACHED = 4


def write_pictures(folder: Path) -> None:
    """A set of the layout `measured`."""
    rows = []
    for number in range(PICTURES):
        scene = world(1, number, (120, 160))
        height, width = SHAPE
        image = cv2.resize(scene.image, (width, height), interpolation=cv2.INTER_CUBIC)
        target = cv2.resize(scene.depth_map.values, (width, height), interpolation=cv2.INTER_NEAREST)
        write_image(folder / f"{number}.webp", image)
        np.savez_compressed(folder / f"{number}_target.npz", inverse_depth=target.astype(np.float16))
        rows.append({"name": number, "set": "rendered", "target": "metric"})
    with (folder / "index.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["name", "set", "target"])
        writer.writeheader()
        writer.writerows(rows)


def phase_of(part: Part, steps: int) -> Phase:
    """The embedded network's first phase, on one set, at one size, without its frozen layers."""
    phase = RECIPES["tiny"].phases[0]
    return replace(
        phase,
        parts=(part,),
        steps=steps,
        sizes=((192, 256),),
        frozen=(),
        log_steps=steps // 3,
        checkpoint_steps=steps,
    )


def new_network() -> TinyNetwork:
    """As training begins with it."""
    network = TinyNetwork()
    insert_tiny_norms(network)
    return network


def rate_alone(batches: Sequence[Batch], phase: Phase, steps: int) -> float:
    """Pictures a second of forward and backward."""
    network = new_network().to(memory_format=torch.channels_last).train()
    for step in range(-2, steps):
        if step == 0:
            started = time.monotonic()
        batch = batches[step % len(batches)]
        _, objectives = losses_of(network(batch.image), batch, phase, ALONE)
        network.zero_grad()
        torch.stack(objectives).sum().backward()
    return steps * BATCH / (time.monotonic() - started)


def rate_of_training(sources: Mapping[str, Source], recipe: Recipe, phase: Phase) -> float:
    """Pictures a second of the loop, after its first third, in which everything starts."""
    with tempfile.TemporaryDirectory() as folder:
        train(new_network(), sources, recipe, phase, Running(Path(folder), lambda _: {}))
        lines = list(read_log(Path(folder)))
    return 1 / statistics.mean(1 / line["pictures_per_s"] for line in lines[1:])


def opened_anew(part: Part, folder: Path) -> Source:
    """The pictures on disk, none of which is kept."""
    entries = LAYOUTS[part.layout].read(folder)
    return Source(part, len(entries), lambda drawn: sample_of(entries[drawn.index]))


def measure(source: Source, phase: Phase, rounds: int) -> dict[str, float]:
    """Medians of the rates and of their ratio."""
    recipe = Recipe("tiny", (phase,))
    sources = {source.part.name: source}
    batches = [draw_batch(sources, plan_of(recipe, phase), step) for step in range(CACHED)]
    rows = []
    for _ in range(rounds):
        before = rate_alone(batches, phase, phase.steps // 4)
        whole = rate_of_training(sources, recipe, phase)
        alone = statistics.harmonic_mean([before, rate_alone(batches, phase, phase.steps // 4)])
        rows.append((alone, whole, whole / alone))
    columns = zip(("alone", "training", "ratio"), zip(*rows, strict=True), strict=True)
    return {name: round(statistics.median(column), 3) for name, column in columns}


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    disk, worlds = Part("disk", "measured", BATCH), Part("worlds", "worlds-rgbd", BATCH)
    phases = {part.name: phase_of(part, options.steps) for part in (disk, worlds)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pictures(folder)
        sources = {
            "pictures on disk, kept": open_source(disk, {"disk": folder}, phases["disk"]),
            f"opened anew, {SHAPE[1]}×{SHAPE[0]} WebP": opened_anew(disk, folder),
            "worlds, rendered meanwhile": open_source(worlds, {}, phases["worlds"]),
        }
        table = {
            name: measure(source, phases[source.part.name], options.rounds)
            for name, source in sources.items()
        }
    print("| pictures/s, embedded network, 16 of 256×192 | forward + backward alone | training | ratio |")
    print("|---|---|---|---|")
    for name, row in table.items():
        print(f"| {name} | {row['alone']:.1f} | {row['training']:.1f} | {row['ratio']:.2f} |")
    print(json.dumps({"cores": usable_cores(), "threads": torch.get_num_threads(), "rates": table}))


if __name__ == "__main__":
    main()
