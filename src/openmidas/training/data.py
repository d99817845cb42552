"""Training sources: folders of pictures with different annotation, held in memory, and the batches drawn from them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from openmidas.files.errors import file_error
from openmidas.files.images import read_image
from openmidas.training.augment import Sample, paste_shapes, recolour, warp
from openmidas.training.labels import list_labels, read_label

BATCHES_AHEAD = 8
PHOTO_SIDE_PX = 448  # photographs are held in memory at this long side: the largest crop needs no more
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
KINECT_METRES = 9.99547 / 255


@dataclass(frozen=True)
class Source:
    """Pictures of one annotation, and how they count.

    per_batch: pictures in a minibatch. kept: share of the residuals that the loss keeps. gradient_weight: alpha of
    the gradient loss. paste_chance: how often shapes are laid in front.
    """

    name: str
    samples: Sequence[Sample]
    per_batch: int
    kept: float
    gradient_weight: float
    paste_chance: float


@dataclass(frozen=True)
class Batch:
    image: Float[Tensor, "b 3 h w"]  # [-1, 1]
    target: Float[Tensor, "b h w"]
    valid: Bool[Tensor, "b h w"]
    kept: Float[Tensor, " b"]
    gradient_weight: Float[Tensor, " b"]


def read_labelled_photos(photos: Path, labels: Path) -> list[Sample]:
    """Photographs for which `labels` has a gray picture of the same stem, near bright (affine-invariant).

    Raises FileError when no photograph has a label.
    """
    found = list_labels(labels)
    samples = []
    for path in (path for path in list_photos(photos) if path.stem in found):
        image = read_image(path, (PHOTO_SIDE_PX, PHOTO_SIDE_PX))
        image = _at_most(image, PHOTO_SIDE_PX)
        label = cv2.resize(read_label(found[path.stem]), image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        samples.append(Sample(image, label.astype(np.float16), np.ones(label.shape, bool)))
    if not samples:
        raise file_error(photos, f"no photograph has a label of its name in {labels}: label them first")
    return samples


def list_photos(folder: Path) -> list[Path]:
    """The photographs of a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)


def _at_most(image: UInt8[np.ndarray, "h w 3"], side_px: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    scale = side_px / max(image.shape[:2])
    return image if scale >= 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def read_kinect(folder: Path, wanted: Callable[[int], bool]) -> list[Sample]:
    """RGB-D pictures `NNNN.webp`, `NNNN_depth.webp` (metric; 1/m after reading) of the wanted numbers."""
    samples = []
    for path in sorted(folder.glob("[0-9]" * 4 + ".webp")):
        if not wanted(int(path.stem)):
            continue
        image = read_image(path)
        codes = read_image(folder / f"{path.stem}_depth.webp")[..., 0]
        metres = cv2.resize((codes + np.float32(0.5)) * np.float32(KINECT_METRES), image.shape[1::-1])
        samples.append(Sample(image, (1 / metres).astype(np.float16), np.ones(metres.shape, bool)))
    return samples


def read_synthetic(folder: Path) -> list[Sample]:
    """Rendered scenes `NNNNN.webp`, `NNNNN_inverse_depth.npz` (exact, 1/m, sky 0)."""
    samples = []
    for path in sorted(folder.glob("*_inverse_depth.npz")):
        with np.load(path) as stored:
            target = stored["inverse_depth"]
        image = read_image(path.with_name(path.name.replace("_inverse_depth.npz", ".webp")))
        samples.append(Sample(image, target, np.isfinite(target)))
    return samples


def draw_sample(
    source: Source, textures: Sequence[Sample], size: tuple[int, int], rng: np.random.Generator
) -> Sample:
    """One augmented sample of `source` at `size`."""
    sample = warp(source.samples[int(rng.integers(len(source.samples)))], size, rng)
    if rng.random() < source.paste_chance:
        sample = paste_shapes(sample, textures[int(rng.integers(len(textures)))].image, rng)
    return Sample(recolour(sample.image, rng), sample.target, sample.valid)


def draw_batch(sources: Sequence[Source], size: tuple[int, int], rng: np.random.Generator) -> Batch:
    """`per_batch` samples of every source, in the sources' order: the papers' naive mixing."""
    textures = sources[0].samples
    drawn = [(s, draw_sample(s, textures, size, rng)) for s in sources for _ in range(s.per_batch)]
    pixels = np.stack([sample.image for _, sample in drawn])
    return Batch(
        torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1,
        torch.from_numpy(np.stack([sample.target for _, sample in drawn])).float(),
        torch.from_numpy(np.stack([sample.valid for _, sample in drawn])),
        torch.tensor([source.kept for source, _ in drawn]),
        torch.tensor([source.gradient_weight for source, _ in drawn]),
    )


def batches(
    sources: Sequence[Source], sizes: Sequence[tuple[int, int]], seed: int, steps: range
) -> Iterator[Batch]:
    """A batch for each of `steps`, made ahead in a thread; size and every draw follow from (seed, step) alone."""

    def draw(step: int) -> Batch:
        rng = np.random.default_rng([seed, step])
        return draw_batch(sources, sizes[int(rng.integers(len(sizes)))], rng)

    with ThreadPoolExecutor(1) as pool:
        pending = deque(pool.submit(draw, step) for step in steps[:BATCHES_AHEAD])
        for step in steps[BATCHES_AHEAD:]:
            yield pending.popleft().result()
            pending.append(pool.submit(draw, step))
        while pending:
            yield pending.popleft().result()
