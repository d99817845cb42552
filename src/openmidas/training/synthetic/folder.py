"""A folder of rendered training pairs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from openmidas.files.atomic import written_beside
from openmidas.files.cores import usable_cores
from openmidas.files.errors import system_error
from openmidas.files.images import read_image
from openmidas.training.bar import Bar, no_bar
from openmidas.training.held import list_photos
from openmidas.training.synthetic import SHARES, render

_SIZES = ((240, 320), (240, 320), (180, 320), (320, 240), (320, 240), (320, 320))
_STREET_SIZES = (*_SIZES, (128, 320), (128, 320), (128, 320))
_PHOTOS_A_SCENE = 10
_TEXTURE_SIZE = (640, 640)


def render_folder(
    folder: Path, count: int, seed: int = 0, textures: Path | None = None, bar: Bar = no_bar
) -> int:
    """Render scenes 0 to `count` - 1 of a seed into `folder`; those already there are kept. How many are new.

    Scene n is `NNNNN.webp` (sRGB) and `NNNNN_inverse_depth.npz` (`inverse_depth`, 1/m, float16; sky is 0), the same
    whatever the count. textures: a folder of photographs whose crops cover some surfaces; without, pictures are made
    up. Raises FileError, ConventionError where Numba is not installed.
    """
    photos = list_photos(textures) if textures else []
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise system_error(folder, error) from error
    missing = [number for number in range(count) if not all(map(Path.exists, _paths(folder, number)))]
    with bar(len(missing), "Rendering") as advance, ThreadPoolExecutor(usable_cores()) as pool:
        for _ in pool.map(partial(_render_files, folder, seed, photos), missing):
            advance()
    return len(missing)


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"{number:05d}.webp", folder / f"{number:05d}_inverse_depth.npz"


def _render_files(folder: Path, seed: int, photos: Sequence[Path], number: int) -> None:
    rng = np.random.default_rng([seed, number])
    family = str(rng.choice(list(SHARES), p=list(SHARES.values())))
    sizes = _STREET_SIZES if family == "street" else _SIZES
    chosen = rng.choice(len(photos), min(_PHOTOS_A_SCENE, len(photos)), replace=False)
    size = sizes[rng.integers(len(sizes))]
    textures = [read_image(photos[index], _TEXTURE_SIZE) for index in chosen]
    picture, depth_map = render(family, int(rng.integers(2**62)), size, textures)
    picture_path, depth_path = _paths(folder, number)
    _write_webp(picture_path, picture)
    # The depth comes last: whoever finds it finds its picture too.
    with written_beside(depth_path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, inverse_depth=depth_map.values.astype(np.float16))


def _write_webp(path: Path, picture: UInt8[np.ndarray, "h w 3"]) -> None:
    from PIL import Image

    with written_beside(path) as temporary:
        Image.fromarray(picture).save(temporary, "webp", quality=90, method=4)
