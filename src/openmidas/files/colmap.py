"""COLMAP's text model: cameras.txt, images.txt and points3D.txt of one picture."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from openmidas.camera import Camera
from openmidas.files.atomic import written_beside
from openmidas.files.axes import CAMERA_AXES, UNIT, quaternion
from openmidas.files.digits import blocks, check_range, decimals, integers, joined, only_where, side_by_side
from openmidas.files.errors import FilePath, file_error, system_error
from openmidas.files.meshes import check_points
from openmidas.mesh import PointCloud

_PLACES = 6
_PIXEL_PLACES = 3
_GRAY = 128


def write_colmap(folder: FilePath, cloud: PointCloud, camera: Camera, image_name: str) -> None:
    """Write the three files into the folder, made if need be: a PINHOLE camera, and the points it sees in the picture.

    Axes, metres and pixel centres are ours, for COLMAP has the same. image_name: as in COLMAP's folder of images.
    Raises FileError, also for no points, numbers that are not finite, skew, or a name that COLMAP would cut.
    """
    _check(folder, cloud, camera, image_name)
    pixels, _ = camera.project(cloud.points)
    height, width = camera.shape
    inside = (pixels >= 0) & (pixels <= (width, height))  # NaN, behind the camera, is not
    seen = inside[:, 0] & inside[:, 1]
    contents = {
        "cameras.txt": _cameras(camera),
        "images.txt": _images(camera, image_name, pixels, seen),
        "points3D.txt": _points(cloud, seen),
    }
    _make_folder(folder)
    with contextlib.ExitStack() as stack:
        for name, lines in contents.items():
            temporary = stack.enter_context(written_beside(Path(folder) / name))
            with temporary.open("wb") as stream:
                stream.writelines(lines)


def _check(folder: FilePath, cloud: PointCloud, camera: Camera, image_name: str) -> None:
    check_points(folder, cloud)
    check_range(folder, cloud.points)
    if camera.intrinsics[0, 1]:
        raise file_error(folder, "COLMAP's PINHOLE camera has no skew: give one without")
    if image_name.split() != [image_name]:
        raise file_error(folder, f"COLMAP cuts picture names at spaces: rename {image_name!r}")


def _make_folder(folder: FilePath) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise file_error(folder, "is a file, and not the folder to write to: choose another name") from error
    except OSError as error:
        raise system_error(folder, error) from error


def _cameras(camera: Camera) -> Iterator[bytes]:
    height, width = camera.shape
    (fx, _, cx), (_, fy, cy), _ = camera.intrinsics.tolist()
    yield b"# CAMERA_ID, MODEL, WIDTH, HEIGHT, FX, FY, CX, CY\n"
    yield f"1 PINHOLE {width} {height} {fx} {fy} {cx} {cy}\n".encode("ascii")


def _images(
    camera: Camera, name: str, pixels: Float[np.ndarray, "n 2"], seen: Bool[np.ndarray, " n"]
) -> Iterator[bytes]:
    turn = quaternion(camera.world_to_camera[:3, :3]).tolist()
    step = camera.world_to_camera[:3, 3].tolist()
    yield b"# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME, and X, Y, POINT3D_ID of every point seen\n"
    yield f"1 {' '.join(map(str, turn + step))} 1 {name}\n".encode()
    identities, seen_pixels = np.flatnonzero(seen) + 1, pixels[seen]
    for part in blocks(len(identities)):
        x, y = (decimals(column, _PIXEL_PLACES) for column in seen_pixels[part].T)
        triples = joined(" ", x, " ", y, " ", integers(identities[part]))
        yield triples if part.start else triples[1:]
    yield b"\n"


def _points(cloud: PointCloud, seen: Bool[np.ndarray, " n"]) -> Iterator[bytes]:
    yield f"# made by openmidas; axes: {CAMERA_AXES}; unit: {UNIT}\n".encode("ascii")
    yield b"# POINT3D_ID, X, Y, Z, R, G, B, ERROR, IMAGE_ID, POINT2D_IDX\n"
    count = len(cloud.points)
    colours = np.full((count, 3), _GRAY, np.uint8) if cloud.colours is None else cloud.colours
    number_in_image = np.cumsum(seen) - seen
    for part in blocks(count):
        identity = integers(np.arange(part.start, part.stop) + 1)
        xyz = [cell for column in cloud.points[part].T for cell in (" ", decimals(column, _PLACES))]
        rgb = [cell for column in colours[part].T for cell in (" ", integers(column))]
        track = only_where(side_by_side(" 1 ", integers(number_in_image[part])), seen[part])
        yield joined(identity, *xyz, *rgb, " 0", track, "\n")
