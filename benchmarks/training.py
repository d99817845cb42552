"""Whether reading and rendering pictures keeps up with training: pictures a second of both, and their ratio.

python benchmarks/training.py [--steps 48] [--rounds 3]

Prints a table and one JSON line. `alone` is forward and backward on minibatches that are there already; `training` is
the whole loop, as its log says: reading or rendering, augmentation, losses, optimiser, averages. `alone` is taken
before and after `training`, and the ratio is the median over the rounds; `waiting` is the share of the time in which
the network waited for pictures. Other work on the machine makes all of them meaningless. Pictures on disk are measured
twice: as they are used, kept once they were read, which sets that fit into memory are after their first epoch; and
opened anew each time, as larger sets are. The embedded network is the hardest to keep up with: it learns from a picture
in less time than most programs take to open one. The last row is of the smallest published network, a quarter as many
steps.
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
from openmidas.training.annotations import sample_of
from openmidas.training.data import Batch, Source, draw_batch
from openmidas.training.datasets.layouts import LAYOUTS
from openmidas.training.distributed import ALONE
from openmidas.training.loop import Running, losses_of, plan_of, predictions_of, train
from openmidas.training.memory import keep_freed_memory
from openmidas.training.recipes import RECIPES, Part, Phase, Recipe
from openmidas.training.run_folder import read_log
from openmidas.training.sources import open_source
from openmidas.training.starting import new_network
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
    """The embedded network's first phase, on one set, at one size, without its frozen layers; any network takes it."""
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


def rate_alone(name: str, batches: Sequence[Batch], phase: Phase, steps: int) -> float:
    """Pictures a second of forward and backward."""
    network = new_network(name).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    for step in range(-2, steps):
        if step == 0:
            started = time.monotonic()
        batch = batches[step % len(batches)]
        _, objectives = losses_of(predictions_of(network, batch, phase, ALONE), batch, phase, ALONE)
        network.zero_grad()
        torch.stack(objectives).sum().backward()
    return steps * BATCH / (time.monotonic() - started)


def rate_of_training(sources: Mapping[str, Source], recipe: Recipe, phase: Phase) -> tuple[float, float]:
    """Pictures a second of the loop, after its first third, in which everything starts; the share of waiting."""
    with tempfile.TemporaryDirectory() as folder:
        train(new_network(recipe.network), sources, recipe, phase, Running(Path(folder), lambda _: {}))
        lines = list(read_log(Path(folder)))
    rate = statistics.harmonic_mean(line["pictures_per_s"] for line in lines[1:])
    return rate, statistics.mean(line["waiting"] for line in lines[1:])


def opened_anew(part: Part, folder: Path) -> Source:
    """The pictures on disk, none of which is kept."""
    entries = LAYOUTS[part.layout].read(folder)
    return Source(part, len(entries), lambda drawn: sample_of(entries[drawn.index]))


def measure(name: str, source: Source, phase: Phase, rounds: int) -> dict[str, float]:
    """Medians of the rates, their ratio and the share of waiting."""
    recipe = Recipe(name, (phase,))
    sources = {source.part.name: source}
    batches = [draw_batch(sources, plan_of(recipe, phase), step) for step in range(CACHED)]
    rows = []
    for _ in range(rounds):
        before = rate_alone(name, batches, phase, phase.steps // 4)
        whole, waiting = rate_of_training(sources, recipe, phase)
        alone = statistics.harmonic_mean([before, rate_alone(name, batches, phase, phase.steps // 4)])
        rows.append((alone, whole, whole / alone, waiting))
    columns = zip(("alone", "training", "ratio", "waiting"), zip(*rows, strict=True), strict=True)
    return {name: round(statistics.median(column), 3) for name, column in columns}


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    keep_freed_memory()
    cv2.setNumThreads(1)
    disk, worlds = Part("disk", "measured", BATCH), Part("worlds", "worlds-rgbd", BATCH)
    steps = options.steps
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pictures(folder)
        kept = open_source(disk, {"disk": folder}, phase_of(disk, steps), 0)
        made = open_source(worlds, {}, phase_of(worlds, steps), 0)
        anew = opened_anew(disk, folder)
        rows = [
            ("tiny", "pictures on disk, kept", kept, steps),
            ("tiny", f"opened anew, {SHAPE[1]}×{SHAPE[0]} WebP", anew, steps),
            ("tiny", "worlds, rendered meanwhile", made, steps),
            ("midas_v21_small_256", f"opened anew, {SHAPE[1]}×{SHAPE[0]} WebP", anew, steps // 4),
        ]
        table = {
            f"{network}, {what}": measure(network, source, phase_of(source.part, length), options.rounds)
            for network, what, source, length in rows
        }
    print("| pictures/s, 16 of 256×192 | forward + backward alone | training | ratio | waiting |")
    print("|---|---|---|---|---|")
    for name, row in table.items():
        rates = f"{row['alone']:.1f} | {row['training']:.1f} | {row['ratio']:.2f} | {row['waiting']:.3f}"
        print(f"| {name} | {rates} |")
    print(json.dumps({"cores": usable_cores(), "threads": torch.get_num_threads(), "rates": table}))


if __name__ == "__main__":
    main()
