"""A small run that tests start in their own process, in one that is killed, and in two that work together.

python learning.py RUN                                         one run, slow enough to be killed
python -m torch.distributed.run --nproc-per-node 2 learning.py RUN together     one of each mixing, without norms
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from openmidas.training.annotations import Sample
from openmidas.training.data import Source, source_of
from openmidas.training.datasets.entry import OrdinalPairs
from openmidas.training.distributed import ALONE, Processes, joined
from openmidas.training.loop import Running, train
from openmidas.training.recipes import Mixing, Part, Phase, Recipe

PARTS = (
    Part("bright", "manifest", 4),
    Part("scaled", "manifest", 2, "ssi-mse"),
    Part("pairs", "diw_train", 2, "ranking"),
)
PHASE = Phase(
    "mix",
    PARTS,
    60,
    ((32, 32), (32, 64)),
    encoder_rate=1e-2,
    decoder_rate=1e-2,
    mixing="pareto",
    warm_up_steps=5,
    average_decay=0.8,
    anchor_weight=0.05,
    log_steps=5,
    checkpoint_steps=20,
)
SHAPE = (48, 64)


class SmallNetwork(nn.Module):
    """Enough to learn that red is near."""

    def __init__(self, has_norm: bool = True) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6) if has_norm else nn.Identity()
        self.decoder = nn.Conv2d(6, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(torch.relu(self.norm(self.encoder(x))))[:, 0]


def sources() -> dict[str, Source]:
    """Red is near, blue is noise; the second set has another scale and shift, the third knows order only."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (8, *SHAPE, 3), dtype=np.uint8)
    images = [np.asarray(cv2.GaussianBlur(image, (0, 0), 4)) for image in noise]
    known = np.ones(SHAPE, bool)
    red = [image[..., 0] / np.float32(255) for image in images]
    samples = (
        [Sample(image, near, known) for image, near in zip(images, red, strict=True)],
        [Sample(image, near * 7 + 3, known) for image, near in zip(images, red, strict=True)],
        [
            Sample(image, near, ~known, pairs=ordered(near, rng))
            for image, near in zip(images, red, strict=True)
        ],
    )
    return {part.name: source_of(part, own) for part, own in zip(PARTS, samples, strict=True)}


def ordered(near: np.ndarray, rng: np.random.Generator) -> OrdinalPairs:
    """Fifty pairs of points."""
    first, second = rng.integers(0, SHAPE, (2, 50, 2))
    return OrdinalPairs(
        first, second, np.sign(near[tuple(first.T)] - near[tuple(second.T)]).astype(int), SHAPE
    )


def learn(
    folder: Path,
    phases: Sequence[Phase] = (PHASE,),
    processes: Processes = ALONE,
    advance: Callable[[], None] = lambda: None,
    has_norm: bool = True,
    evaluate: Callable[[nn.Module], Mapping[str, float]] = lambda _: {"abs_rel": 0.5},
) -> nn.Module:
    """The averaged network of the last phase."""
    torch.manual_seed(0)
    network: nn.Module = SmallNetwork(has_norm)
    recipe = Recipe("tiny", tuple(phases))
    folder.mkdir(parents=True, exist_ok=True)
    for phase in phases:
        running = Running(folder, evaluate, processes=processes, advance=advance)
        network = train(network, sources(), recipe, phase, running)
    return network


def mixed(mixing: Mixing) -> Phase:
    """A short phase whose steps are small, so that rounding stays small."""
    return replace(PHASE, mixing=mixing, steps=8, encoder_rate=1e-3, decoder_rate=1e-3)


if __name__ == "__main__":
    torch.set_num_threads(1)
    run = Path(sys.argv[1])
    if sys.argv[2:] == ["together"]:
        with joined("cpu") as both:
            learn(run / "naive", [mixed("naive")], both, has_norm=False)
            learn(run / "pareto", [mixed("pareto")], both, has_norm=False)
    else:
        learn(run, advance=lambda: time.sleep(0.02))
