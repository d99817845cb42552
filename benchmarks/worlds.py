"""Speed of the generator of worlds, by kind of world and stage, against the plain ray caster on the same scenes.

python benchmarks/worlds.py [--side 256] [--count 12]

Prints tables and one JSON line. Stages and renderers are timed in turn, so that a slow moment of the machine falls on
all of them. The last table makes whole training samples, degradation included. Processor time a picture says what a
core does, also where other programs share the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context

import cv2
import numpy as np

from openmidas.depth_map import DepthMap
from openmidas.training.synthetic import FAMILIES, new_scene
from openmidas.training.synthetic.degrade import DEGRADATIONS
from openmidas.training.synthetic.drawing import draw, to_solids, trace
from openmidas.training.synthetic.ray_casting import supersampled
from openmidas.training.synthetic.shading import SAMPLES, Scene, shade
from openmidas.training.synthetic.worlds import world_sample

KINDS = [name for name in DEGRADATIONS if name != "rendered"]


def timed_ms(call: Callable[[], object], rounds: int = 1) -> float:
    """Mean processor time of this thread, in milliseconds."""
    start = time.thread_time()
    for _ in range(rounds):
        call()
    return (time.thread_time() - start) * 1e3 / rounds


def traced(scene: Scene) -> None:
    """What is seen where, at every sample."""
    view = supersampled(scene.view, SAMPLES)
    trace(to_solids(scene.primitives).seen(view), view)


def degraded(image: np.ndarray, truth: DepthMap) -> None:
    """By every degradation once."""
    for kind in KINDS:
        DEGRADATIONS[kind](truth, image, np.random.default_rng(0))


def stages_ms(family: str, side: int, count: int) -> dict[str, float]:
    """Milliseconds a picture of each stage, and of the plain renderer."""
    rows = []
    for seed in range(count):
        size = (side, side)
        scene = new_scene(family, seed, size)
        image, inverse = draw(scene, seed)
        truth = DepthMap.from_values(inverse, "inverse_depth", "metric")
        rows.append(
            {
                "layout and textures": timed_ms(partial(new_scene, family, seed, size)),
                "drawing": timed_ms(partial(draw, scene, seed)),
                "of which ray casting": timed_ms(partial(traced, scene)),
                "degrading": timed_ms(partial(degraded, image, truth)) / len(KINDS),
                "drawing, plain": timed_ms(partial(shade, scene, seed)),
            }
        )
    return {stage: round(float(np.mean([row[stage] for row in rows])), 1) for stage in rows[0]}


def sample(side: int, index: int) -> int:
    """One training sample of the endless mix; its number of bytes."""
    return world_sample(KINDS[index % len(KINDS)], 0, index, (side, side)).image.nbytes


def prepared(side: int) -> None:
    """A worker: one thread in OpenCV, loops loaded."""
    cv2.setNumThreads(1)
    sample(side, 0)


def pictures_per_s(pool: Executor, side: int, count: int) -> float:
    """Samples a second by the clock."""
    list(pool.map(partial(sample, side), range(4)))
    start = time.perf_counter()
    list(pool.map(partial(sample, side), range(count)))
    return round(count / (time.perf_counter() - start), 1)


def throughput(side: int, count: int) -> dict[str, float]:
    """Whole samples, made by threads and by processes."""
    rates = {}
    for workers in (1, 2):
        with ThreadPoolExecutor(workers) as pool:
            rates[f"threads: {workers}"] = pictures_per_s(pool, side, count)
    spawn = get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn, initializer=prepared, initargs=(side,)) as pool:
        rates["processes: 2"] = pictures_per_s(pool, side, count)
    cost_ms = timed_ms(lambda: [sample(side, index) for index in range(count)]) / count
    rates["a core by processor time"] = round(1e3 / cost_ms, 1)
    return rates


def main() -> None:
    """Measure, print the tables and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=256, help="pixels of a picture's sides")
    parser.add_argument(
        "--count", type=int, default=12, help="scenes of each kind; samples are eight times that"
    )
    options = parser.parse_args()
    prepared(options.side)
    stages = {family: stages_ms(family, options.side, options.count) for family in FAMILIES}
    names = list(next(iter(stages.values())))
    print(f"| ms a picture of {options.side}² | {' | '.join(names)} | drawing, times faster |")
    print("|---" * (len(names) + 2) + "|")
    for family, row in stages.items():
        faster = round(row["drawing, plain"] / row["drawing"], 1)
        print(f"| {family} | {' | '.join(str(row[name]) for name in names)} | {faster} |")
    rates = throughput(options.side, 8 * options.count)
    print(f"\n| samples a second, all kinds mixed | {os.cpu_count()} cores |\n|---|---|")
    for name, rate in rates.items():
        print(f"| {name} | {rate} |")
    print("\n" + json.dumps({"ms": stages, "samples_per_s": rates}))


if __name__ == "__main__":
    main()
