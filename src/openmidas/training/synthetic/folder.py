"""The command that fills a folder with rendered training pairs."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from openmidas.depth_map import ConventionError
from openmidas.files.atomic import written_beside
from openmidas.files.errors import FileError, file_error, system_error
from openmidas.files.images import read_image
from openmidas.training.held import list_photos
from openmidas.training.synthetic import SHARES, render

_SIZES = ((240, 320), (240, 320), (180, 320), (320, 240), (320, 240), (320, 320))
_STREET_SIZES = (*_SIZES, (128, 320), (128, 320), (128, 320))
_PHOTOS_A_SCENE = 10
_TEXTURE_SIZE = (640, 640)


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
    textures = [read_image(batch.photos[i], _TEXTURE_SIZE) for i in photos]
    picture, depth_map = render(family, int(rng.integers(2**62)), size, textures)
    _write_webp(picture_path, picture)
    # The depth comes last: whoever finds it finds its picture too.
    with written_beside(depth_path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, inverse_depth=depth_map.values.astype(np.float16))
    return picture_path


def _write_webp(path: Path, picture: UInt8[np.ndarray, "h w 3"]) -> None:
    from PIL import Image

    with written_beside(path) as temporary:
        Image.fromarray(picture).save(temporary, "webp", quality=90, method=4)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m openmidas.training.synthetic", description=__doc__)
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--textures", type=Path, help="folder of photographs; without, pictures are made up")
    parser.add_argument("--count", type=int, default=1000, help="scenes in all, those already there included")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Render numbered scenes into a folder; those already there are kept. SystemExit with what cannot be done."""
    arguments = _arguments(argv)
    try:
        _fill(arguments)
    except (FileError, ConventionError) as error:
        raise SystemExit(f"Error: {error}") from error


def _fill(arguments: argparse.Namespace) -> None:
    photos = _photographs(arguments.textures) if arguments.textures else ()
    try:
        arguments.out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise system_error(arguments.out_dir, error) from error
    job = partial(render_file, Batch(arguments.out_dir, photos, arguments.seed))
    if arguments.workers == 1:
        _follow(map(job, range(arguments.count)), arguments.count)
        return
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        _follow(pool.map(job, range(arguments.count), chunksize=4), arguments.count)


def _photographs(folder: Path) -> tuple[Path, ...]:
    photos = tuple(list_photos(folder))
    if not photos:
        raise file_error(folder, "no photographs in this folder: name another one")
    return photos


def _follow(done: Iterable[Path], count: int) -> None:
    for finished, path in enumerate(done, 1):
        if finished % 100 == 0 or finished == count:
            print(f"{finished}/{count} {path.name}", flush=True)
