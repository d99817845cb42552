"""OBJ with its material (MTL) and its texture beside it: three files."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from openmidas.camera import Camera
from openmidas.files.atomic import written_beside
from openmidas.files.axes import UNIT, VIEWER_AXES, to_viewer_axes
from openmidas.files.digits import blocks, check_range, decimals, integers, joined, side_by_side
from openmidas.files.errors import FilePath
from openmidas.files.texture import encode_texture
from openmidas.mesh import Mesh

_PLACES = 6  # a micrometre; of a texture 10,000 pixels wide, a hundredth of one
_NO_LIGHTS = 0


def write_obj(path: FilePath, mesh: Mesh, camera: Camera | None = None) -> None:
    """Write NAME.obj with, for a texture, NAME.mtl and NAME_texture.png or .jpg, all three or none.

    Colours of vertices follow their positions, as MeshLab and Blender read them. Names that OBJ's readers take
    for several, with spaces say, are replaced by plain ones in what lies beside. Raises FileError.
    """
    check_range(path, mesh.vertices)
    target = Path(path)
    if mesh.texture is None:
        with written_beside(path) as temporary:
            _write_lines(temporary, _geometry(mesh))
        return
    texture = encode_texture(path, mesh.texture)
    stem = _plain_name(target.stem)
    material, picture = target.with_name(f"{stem}.mtl"), target.with_name(f"{stem}_texture{texture.suffix}")
    # the last one entered is put in place first: an OBJ that is there has its other files
    with written_beside(path) as obj, written_beside(material) as mtl, written_beside(picture) as photo:
        photo.write_bytes(texture.data)
        mtl.write_text(_material(picture.name), "ascii")
        _write_lines(obj, _geometry(mesh, material.name))


def _plain_name(stem: str) -> str:
    """The name itself if plain; else with a mark of its own, so that no two names come out the same."""
    # a word that begins with - is an option in MTL
    plain = re.sub(r"^-|[^A-Za-z0-9._-]", "_", stem)
    mark = hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]
    return stem if plain == stem else f"{plain}-{mark}"


def _write_lines(path: Path, lines: Iterator[bytes]) -> None:
    with path.open("wb") as stream:
        stream.writelines(lines)


def _material(picture: str) -> str:
    """Only the picture, without lights: a photograph holds its light already."""
    return f"newmtl picture\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nillum {_NO_LIGHTS}\nmap_Kd {picture}\n"


def _geometry(mesh: Mesh, material: str | None = None) -> Iterator[bytes]:
    yield f"# made by openmidas\n# axes: {VIEWER_AXES}\n# unit: {UNIT}\n".encode("ascii")
    if material is not None:
        yield f"mtllib {material}\nusemtl picture\n".encode("ascii")
    vertices = to_viewer_axes(mesh.vertices)
    if mesh.colours is not None and mesh.texture is None:
        vertices = np.concatenate([vertices, mesh.colours / np.float32(255)], axis=1)
    yield from _rows("v", vertices)
    if mesh.uv is not None:
        # OBJ counts the rows of a texture from below
        yield from _rows("vt", np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], axis=1))
    yield from _faces(mesh)


def _rows(word: str, values: Float32[np.ndarray, "n columns"]) -> Iterator[bytes]:
    for part in blocks(len(values)):
        cells = [cell for column in values[part].T for cell in (" ", decimals(column, _PLACES))]
        yield joined(word, *cells, "\n")


def _faces(mesh: Mesh) -> Iterator[bytes]:
    numbers = integers(np.arange(1, len(mesh.vertices) + 1))
    if mesh.uv is not None:
        numbers = side_by_side(numbers, "/", numbers)
    for part in blocks(len(mesh.triangles)):
        first, second, third = (numbers[corner] for corner in mesh.triangles[part].T)
        yield joined("f ", first, " ", second, " ", third, "\n")
