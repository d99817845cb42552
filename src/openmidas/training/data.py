"""From the sets of a recipe to its minibatches: read, drawn, changed at random and stacked, ahead of the training."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from zlib import crc32

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from openmidas.files.cores import usable_cores
from openmidas.models.presets import Preset
from openmidas.training.annotations import Sample
from openmidas.training.augment import paste_shapes, recolour, warp
from openmidas.training.distributed import ALONE, Processes
from openmidas.training.losses import Pairs, to_pairs
from openmidas.training.recipes import Part, Sizes
from openmidas.training.sampling import Drawn, Stage, draw

BATCHES_AHEAD = 2  # for each thread
LEAST_AHEAD = 2
MOST_AHEAD_BYTES = 2**31  # of minibatches that wait for their turn or are being made
NICENESS = 19  # of threads that give way: the least share of all, beside the network's


@dataclass(frozen=True, eq=False)
class Source:
    """A set that is there: `read` opens the picture that the sampler has drawn of its `count`."""

    part: Part
    count: int
    read: Callable[[Drawn], Sample]


@dataclass(frozen=True, eq=False)
class Batch:
    """The sets' pictures in the order of the recipe, normalised as their network wants them."""

    image: Float[Tensor, "b 3 h w"]
    target: Float[Tensor, "b h w"]
    valid: Bool[Tensor, "b h w"]
    pairs: Pairs

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        return sum(t.nbytes for t in (self.image, self.target, self.valid, *self.pairs))

    def to(self, device: str) -> Batch:
        """The same on another device."""
        image, target, valid = (
            t.to(device, non_blocking=True) for t in (self.image, self.target, self.valid)
        )
        return Batch(image, target, valid, Pairs(*(t.to(device) for t in self.pairs)))

    def split(self, counts: Sequence[int]) -> list[Batch]:
        """The sets' own pictures."""
        parts = zip(
            *(t.split(counts) for t in (self.image, self.target, self.valid, *self.pairs)), strict=True
        )
        return [Batch(image, target, valid, Pairs(*pairs)) for image, target, valid, *pairs in parts]


@dataclass(frozen=True)
class Plan:
    """What decides about the minibatches of a run, and which part of them is this process's."""

    stages: Sequence[Stage]
    sizes: Sizes
    seed: int
    preset: Preset
    processes: Processes = ALONE


def source_of(part: Part, samples: Sequence[Sample]) -> Source:
    """A set that is held in memory."""
    return Source(part, len(samples), lambda drawn: samples[drawn.index])


def draw_batch(sources: Mapping[str, Source], plan: Plan, step: int) -> Batch:
    """This process's pictures of a step; size and every draw follow from the seed and the step alone."""
    counts = {name: source.count for name, source in sources.items()}
    rng = np.random.default_rng([plan.seed, step])
    size = plan.sizes[int(rng.integers(len(plan.sizes)))]
    drawn = draw(plan.stages, counts, plan.seed, step, plan.processes)
    samples = [_changed(sources, plan.seed, one, size) for one in drawn]
    return stacked(samples, plan.preset)


def _changed(sources: Mapping[str, Source], seed: int, drawn: Drawn, size: tuple[int, int]) -> Sample:
    source = sources[drawn.name]
    rng = np.random.default_rng([seed, crc32(drawn.name.encode()), drawn.position])
    sample = warp(source.read(drawn), size, rng)
    if rng.random() < source.part.paste_chance:
        sample = paste_shapes(sample, _texture(next(iter(sources.values())), rng), rng)
    return replace(sample, image=recolour(sample.image, rng))


def _texture(source: Source, rng: np.random.Generator) -> np.ndarray:
    """Any picture of a set."""
    number = int(rng.integers(source.count))
    return source.read(Drawn(source.part.name, number, number)).image


def stacked(samples: Sequence[Sample], preset: Preset) -> Batch:
    """Samples of one size as a minibatch.

    By NumPy and OpenCV alone: PyTorch would start threads of its own for every thread that makes minibatches.
    """
    image = np.empty((len(samples), *samples[0].image.shape), np.float32)
    table = _normalised(preset)
    for row, sample in zip(image, samples, strict=True):
        cv2.LUT(sample.image, table, row)
    return Batch(
        torch.from_numpy(image).permute(0, 3, 1, 2),
        torch.from_numpy(np.stack([sample.target.astype(np.float32, copy=False) for sample in samples])),
        torch.from_numpy(np.stack([sample.valid for sample in samples])),
        to_pairs([sample.pairs for sample in samples]),
    )


def _normalised(preset: Preset) -> Float[np.ndarray, "256 1 3"]:
    """What the 256 values of each channel are to the network."""
    mean, std = (np.array(values, np.float32) * 255 for values in (preset.mean, preset.std))
    return (np.arange(256, dtype=np.float32)[:, None, None] - mean) / std


def batches(
    sources: Mapping[str, Source], plan: Plan, steps: range, gives_way: bool = False
) -> Iterator[Batch]:
    """The minibatch of each of these steps, made ahead in threads, on this process's share of the cores.

    gives_way: the threads yield to those of the network, which computes on the same cores.
    """
    threads = max(1, usable_cores() // plan.processes.here)
    with ThreadPoolExecutor(threads, initializer=_give_way if gives_way else None) as pool:
        begun = (pool.submit(draw_batch, sources, plan, step) for step in steps)  # each when it is asked for
        pending = deque(islice(begun, LEAST_AHEAD))
        try:
            while pending:
                batch = pending.popleft().result()
                wanted = _ahead(threads, batch.size_bytes)
                pending.extend(islice(begun, max(0, wanted - len(pending))))
                yield batch
        finally:
            for waiting in pending:
                waiting.cancel()


def _ahead(threads: int, size_bytes: int) -> int:
    """How many minibatches of that size to make ahead."""
    return max(LEAST_AHEAD, min(BATCHES_AHEAD * threads, MOST_AHEAD_BYTES // size_bytes))


def _give_way() -> None:
    """Make this thread compute where others leave a core idle.

    All threads of a layer of the network wait for the slowest: a millisecond taken from one costs every core one.
    """
    if sys.platform == "linux":  # elsewhere niceness belongs to the process
        os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
