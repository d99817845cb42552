"""A folder of rendered training pairs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from openmidas.files.atomic import write_bytes, written_beside
from openmidas.files.cores import usable_cores
from openmidas.files.errors import file_error, system_error
from openmidas.files.images import read_image
from openmidas.training.bar import Bar, no_bar
from openmidas.training.held import list_photos
from openmidas.training.synthetic import SHARES, render

NOTE = "rendered.json"
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
    up. `rendered.json` notes both. Raises FileError, also for a folder of another seed's pictures or with other
    textures; ConventionError where Numba is not installed.
    """
    photos = list_photos(textures) if textures else []
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise system_error(folder, error) from error
    note = {"seed": seed, "textures": _digest(photos)}
    _check_note(folder, note)
    missing = [number for number in range(count) if not all(map(Path.exists, _paths(folder, number)))]
    with bar(len(missing), "Rendering") as advance, ThreadPoolExecutor(usable_cores()) as pool:
        for _ in pool.map(partial(_render_files, folder, note, photos), missing):
            advance()
    return len(missing)


def _digest(photos: Sequence[Path]) -> str | None:
    """Of the photographs' names and sizes; None where there are none."""
    told = "".join(f"{path.name} {path.stat().st_size}\n" for path in photos)
    return hashlib.sha256(told.encode("utf8", "surrogateescape")).hexdigest() if photos else None


def _check_note(folder: Path, note: Mapping[str, Any]) -> None:
    """FileError where the folder has pictures that are not of this seed and these textures."""
    path = folder / NOTE
    if not path.exists():
        if any(folder.glob("*_inverse_depth.npz")):
            raise file_error(
                folder, f"holds pictures of an unknown seed, without {NOTE}: choose another folder"
            )
        return
    try:
        noted = json.loads(path.read_bytes())
        seed, textures = noted["seed"], noted["textures"]
    except (ValueError, KeyError, TypeError) as error:
        raise file_error(path, "is damaged: choose another folder") from error
    if seed != note["seed"]:
        raise file_error(folder, f"holds pictures of seed {seed}, not {note['seed']}: choose another folder")
    if textures != note["textures"]:
        raise file_error(folder, f"holds pictures with other textures (see {NOTE}): choose another folder")


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"{number:05d}.webp", folder / f"{number:05d}_inverse_depth.npz"


def _render_files(folder: Path, note: Mapping[str, Any], photos: Sequence[Path], number: int) -> None:
    rng = np.random.default_rng([note["seed"], number])
    family = str(rng.choice(list(SHARES), p=list(SHARES.values())))
    sizes = _STREET_SIZES if family == "street" else _SIZES
    chosen = rng.choice(len(photos), min(_PHOTOS_A_SCENE, len(photos)), replace=False)
    size = sizes[rng.integers(len(sizes))]
    textures = [read_image(photos[index], _TEXTURE_SIZE) for index in chosen]
    picture, depth_map = render(family, int(rng.integers(2**62)), size, textures)
    picture_path, depth_path = _paths(folder, number)
    if not (folder / NOTE).exists():  # before the first picture, and only where there is one
        write_bytes(folder / NOTE, json.dumps(note).encode())
    _write_webp(picture_path, picture)
    # The depth comes last: whoever finds it finds its picture too.
    with written_beside(depth_path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, inverse_depth=depth_map.values.astype(np.float16))


def _write_webp(path: Path, picture: UInt8[np.ndarray, "h w 3"]) -> None:
    from PIL import Image

    with written_beside(path) as temporary:
        Image.fromarray(picture).save(temporary, "webp", quality=90, method=4)
