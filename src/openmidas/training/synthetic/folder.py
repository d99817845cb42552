"""The command that fills a folder with rendered training pairs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8

from openmidas.training.synthetic import SHARES, render

_SIZES = ((240, 320), (240, 320), (180, 320), (320, 240), (320, 240), (320, 320))
_STREET_SIZES = (*_SIZES, (128, 320), (128, 320), (128, 320))
_PHOTOS_A_SCENE = 10


@dataclass(frozen=True)
class Batch:
    """What the command renders; scene `n` of a seed is the same whatever the count and the workers."""

    out_dir: Path
    photos: tuple[Path, ...]
    seed: int


def render_file(batch: Batch, number: int) -> Path:
    """Render one numbered scene to its two files, unless they are there already."""
    picture_path = batch.out_dir / f"{number:05d}.webp"
    depth_path = batch.out_dir / f"{number:05d}_inverse_depth.npz"
    if picture_path.exists() and depth_path.exists():
        return picture_path
    rng = np.random.default_rng([batch.seed, number])
    family = str(rng.choice(list(SHARES), p=list(SHARES.values())))
    sizes = _STREET_SIZES if family == "street" else _SIZES
    photos = rng.choice(len(batch.photos), min(_PHOTOS_A_SCENE, len(batch.photos)), replace=False)
    size = sizes[rng.integers(len(sizes))]
    textures = [_read(batch.photos[i]) for i in photos]
    picture, depth_map = render(family, int(rng.integers(2**62)), size, textures)
    _write(picture_path, partial(_save_webp, picture))
    # The depth comes last: whoever finds it finds its picture too.
    _write(depth_path, partial(np.savez_compressed, inverse_depth=depth_map.values.astype(np.float16)))
    return picture_path


def _read(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    from PIL import Image

    with Image.open(path) as image:
        image.draft("RGB", (640, 640))
        return np.asarray(image.convert("RGB"))


def _save_webp(picture: UInt8[np.ndarray, "h w 3"], file: BinaryIO) -> None:
    from PIL import Image

    Image.fromarray(picture).save(file, "webp", quality=90, method=4)


def _write(path: Path, save: Callable[[BinaryIO], None]) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        save(file)
    beside.replace(path)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m openmidas.training.synthetic", description=__doc__)
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--textures", type=Path, help="folder of photographs; without, pictures are made up")
    parser.add_argument("--count", type=int, default=1000, help="scenes in all, those already there included")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Render numbered scenes into a folder; those already there are kept."""
    arguments = _arguments(argv)
    photos = _photographs(arguments.textures) if arguments.textures else ()
    arguments.out_dir.mkdir(parents=True, exist_ok=True)
    job = partial(render_file, Batch(arguments.out_dir, photos, arguments.seed))
    if arguments.workers == 1:
        _follow(map(job, range(arguments.count)), arguments.count)
        return
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        _follow(pool.map(job, range(arguments.count), chunksize=4), arguments.count)


def _photographs(folder: Path) -> tuple[Path, ...]:
    suffixes = {".jpg", ".jpeg", ".png", ".webp"}
    photos = tuple(sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes))
    if not photos:
        raise SystemExit(f"{folder}: no photographs in this folder")
    return photos


def _follow(done: Iterable[Path], count: int) -> None:
    for finished, path in enumerate(done, 1):
        if finished % 100 == 0 or finished == count:
            print(f"{finished}/{count} {path.name}", flush=True)
