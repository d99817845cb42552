"""How far the still part of a film moves from frame to frame, each frame stretched over its own range and steadied.

python benchmarks/steady.py [--model NAME]

Of every photograph in examples/ a film of 48 frames is made: sensor noise, an exposure that drifts, and a disc in front
that grows. Prints a table and one JSON line: by how much the mean of what holds still changes from one frame to the
next, as a share of the range of depth, mean over the film.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

import openmidas
from openmidas.files.images import read_image
from openmidas.video.steady import Steadier

FRAMES, FRAMES_PER_S = 48, 25
SIDE_PX = 480
NOISE = 4.0  # of 255, standard deviation
EXPOSURE = 0.15  # how far it drifts, either way


def film(photo: np.ndarray) -> Iterator[np.ndarray]:
    """The frames; the disc never leaves the left third."""
    height, width = photo.shape[:2]
    rng = np.random.default_rng(0)
    for number in range(FRAMES):
        frame = photo.copy()
        radius = round(height * (0.02 + 0.13 * number / FRAMES))
        cv2.circle(frame, (width // 6, height * 2 // 3), radius, (200, 60, 40), -1, cv2.LINE_AA)
        gain = 1 + EXPOSURE * np.sin(2 * np.pi * number / FRAMES)
        noisy = frame * gain + rng.normal(0, NOISE, frame.shape)
        yield noisy.clip(0, 255).astype(np.uint8)


def movement(frames: Sequence[np.ndarray]) -> float:
    """Mean over the film of how much the mean of the right two thirds changes; frames span 0 … 1."""
    means = [float(np.mean(frame[:, frame.shape[1] // 3 :])) for frame in frames]
    return float(np.mean(np.abs(np.diff(means))))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="tiny")
    options = parser.parse_args()
    predictor = openmidas.load(options.model)
    found = {}
    print("| photograph | each over its own range | steadied |")
    print("|---|---|---|")
    for path in sorted((Path(__file__).parent.parent / "examples").glob("*.jpg")):
        steadier = Steadier(FRAMES_PER_S)
        alone, steadied = [], []
        for frame in film(read_image(path, (SIDE_PX, SIDE_PX))):
            depth_map = predictor(frame)
            low, high = depth_map.values.min(), depth_map.values.max()
            alone.append((depth_map.values - low) / (high - low))
            steadied.append(steadier(frame, depth_map).values)
        found[path.stem] = [round(100 * movement(frames), 3) for frames in (alone, steadied)]
        print(f"| {path.stem} | {found[path.stem][0]:.2f} % | {found[path.stem][1]:.2f} % |")
    print(json.dumps({"benchmark": "steady", "model": options.model, "percent": found}))


if __name__ == "__main__":
    main()
