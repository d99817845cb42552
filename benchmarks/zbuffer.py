"""Speed of the z-buffer on a one-megapixel picture as a mesh of 2.1 million triangles.

python benchmarks/zbuffer.py [--side 1024] [--rounds 15]

Prints a table and one JSON line. Calls are timed in turn, so that a slow moment of the machine falls on every row; the
least time is what the machine can do, the median what it did. The floor copies, with as many threads, as many bytes as
a frame cannot do without: triangles, vertices and attributes read once, the picture's buffers written once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from openmidas.camera import Camera
from openmidas.encoding import encoding_named
from openmidas.files.cores import usable_cores
from openmidas.scene.fragments import nearest, to_matrix, triangle_fragments
from openmidas.scene.rasterise import Corners, place_corners, triangles_drawn
from openmidas.scene.zbuffer import ZBuffer, draw

Surface = tuple[np.ndarray, np.ndarray, np.ndarray]
PLAIN_SIDE = 256
FIRST_CALL = """
import time
import numpy as np
from openmidas.camera import Camera
from openmidas.scene.zbuffer import render_triangles
corners = np.eye(3, dtype=np.float32)
start = time.perf_counter()
render_triangles(corners, np.array([[0, 1, 2]], np.int32), corners, Camera.from_focal((9, 9), 9).moved((0, 0, -2)))
print(time.perf_counter() - start)
"""


def picture_mesh(side: int) -> tuple[Surface, Camera]:
    """A waved surface with a vertex for each of side² pixels, colours without pattern, and a camera a step aside."""
    camera = Camera.from_focal((side, side), side)
    pixels = camera.pixel_centres()
    depth = 3 + np.sin(pixels[:, 0] * 17 / side) + np.cos(pixels[:, 1] * 23 / side)
    vertices = camera.unproject(pixels, depth).astype(np.float32)
    corner = np.arange(side * side, dtype=np.int32).reshape(side, side)
    a, b, c, d = corner[:-1, :-1], corner[:-1, 1:], corner[1:, :-1], corner[1:, 1:]
    triangles = np.stack([a, c, b, b, c, d], axis=2).reshape(-1, 3)
    colours = np.random.default_rng(0).random((side * side, 3), np.float32)
    return (vertices, triangles, colours), camera.moved((0.05, 0.02, 0.1))


def frame_bytes(surface: Surface, camera: Camera) -> int:
    """What one frame has to read and write: attributes, depth and index of each pixel are 4 bytes a number."""
    pixels = camera.shape[0] * camera.shape[1]
    return sum(array.nbytes for array in surface) + 4 * pixels * (surface[2].shape[1] + 2)


def copying(count: int, threads: int) -> Callable[[], object]:
    """Move this many bytes: half of them read, half written, in memory that is in use already."""
    parts = [
        (np.ones(count // 2 // threads, np.uint8), np.ones(count // 2 // threads, np.uint8))
        for _ in range(threads)
    ]

    def copy() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda pair: np.copyto(*pair), parts))

    return copy


def times_ms(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Least and median milliseconds of each call, in turn, after one that does not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if number:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: [round(min(row), 2), round(statistics.median(row), 2)] for name, row in times.items()}


def first_call_s() -> list[float]:
    """Seconds of a process' first frame: with nothing compiled, and with what the process before left on disk."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        runs = [
            subprocess.run(
                [sys.executable, "-c", FIRST_CALL], env=environment, check=True, capture_output=True
            )
            for _ in range(2)
        ]
    return [round(float(run.stdout), 2) for run in runs]


def frame_calls(surface: Surface, camera: Camera) -> dict[str, Callable[[], object]]:
    """The large mesh: its floor, projection alone, and whole frames."""
    cores, count = usable_cores(), len(surface[0])
    corners, matrix = Corners(np.empty((count, 2), np.int32), np.empty(count)), to_matrix(camera)
    calls: dict[str, Callable[[], object]] = {}
    for threads in sorted({1, cores}):
        calls[f"floor: copy as many bytes, threads: {threads}"] = copying(
            frame_bytes(surface, camera), threads
        )
    calls["projection alone, threads: 1"] = lambda: place_corners(surface[0], matrix, 0.01, 0, count, corners)
    for threads in sorted({1, cores}):
        calls[f"frame, threads: {threads}"] = lambda threads=threads: triangles_drawn(
            *surface, camera, 0.01, True, threads
        )
    return calls


def small_calls() -> dict[str, Callable[[], object]]:
    """The plain way on a mesh that it can bear, and with the depth test of an encoding."""
    surface, camera = picture_mesh(PLAIN_SIDE)
    shape, encoding = camera.shape, encoding_named("reversed-z", near=0.1, far=100)
    black, count = np.zeros((*shape, 3), np.float32), len(surface[1])

    def encoded() -> None:
        draw(triangle_fragments(*surface, camera), ZBuffer.cleared(shape, encoding), black)

    return {
        f"{count} triangles, plain": lambda: nearest(triangle_fragments(*surface, camera), shape),
        f"{count} triangles, plain, reversed-z": encoded,
        f"{count} triangles, fast": lambda: triangles_drawn(*surface, camera, 0.01, True, usable_cores()),
    }


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=1024, help="pixels and vertices along each side")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    surface, camera = picture_mesh(options.side)
    frame, small = frame_calls(surface, camera), small_calls()
    rows = times_ms(frame, options.rounds) | times_ms(small, max(2, options.rounds // 5))
    print(f"| {len(surface[1])} triangles to {options.side}² pixels | least ms | median ms |\n|---|---|---|")
    for name, (least, median) in rows.items():
        print(f"| {name} | {least} | {median} |")
    cores, (plain, _, fast) = usable_cores(), (rows[name][0] for name in small)
    alone, together = (rows[f"frame, threads: {threads}"][0] for threads in (1, cores))
    cold, warm = first_call_s()
    facts = {
        "megabytes a frame must move": round(frame_bytes(surface, camera) / 1e6, 1),
        "frame over floor, all threads": round(
            together / rows[f"floor: copy as many bytes, threads: {cores}"][0], 2
        ),
        "speed-up by threads": round(alone / together, 2),
        "plain over fast": round(plain / fast, 1),
        "first frame of all, compiling, s": cold,
        "first frame of a process, s": warm,
    }
    print("\n| | |\n|---|---|")
    for name, value in facts.items():
        print(f"| {name} | {value} |")
    print("\n" + json.dumps({"ms": rows, "facts": facts}))


if __name__ == "__main__":
    main()
