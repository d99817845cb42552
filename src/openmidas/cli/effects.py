"""`openmidas effect …`: what depth lets one do to a photograph."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from jaxtyping import UInt8

from openmidas.cli.meaning import check_name
from openmidas.cli.place import Source, read_photo, read_place
from openmidas.cli.scene import ANY_SIDE_PX, check_new
from openmidas.depth_map import DepthMap
from openmidas.files.errors import FilePath, file_error
from openmidas.files.image_writing import check_image, write_image
from openmidas.files.mesh_reading import MESH_SUFFIXES, read_mesh
from openmidas.files.picture import open_picture
from openmidas.mesh import Mesh
from openmidas.scene.blur import blurred_by_depth
from openmidas.scene.compose import Placement, stood_at, with_mesh, with_picture
from openmidas.scene.effects import (
    DIRECTIONS,
    cut_out,
    fogged,
    lit_from,
    relit,
    slice_in_metres,
    slice_in_shares,
)
from openmidas.scene.nearness import inverse_at_metres, inverse_at_share
from openmidas.scene.normals import CONVENTIONS, place_normals, write_normal_map
from openmidas.scene.place import Place
from openmidas.scene.refine import snap_depth

Rgb = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class Target:
    """Where the result goes: beside the photo, NAME_EFFECT.png, unless named."""

    output: Path | None
    overwrite: bool

    def path(self, source: Source, effect: str, is_transparent: bool = False) -> Path:
        """Checked before anything is computed; FileError."""
        path = self.output or source.photo.with_name(f"{source.photo.stem}_{effect}.png")
        check_new(path, self.overwrite)
        check_image(path, is_transparent)
        return path


def fog(source: Source, target: Target, visibility_m: float) -> str:
    path = target.path(source, "fog")
    place = read_place(source, ANY_SIDE_PX)
    write_image(path, fogged(place.image, place.depth_map, visibility_m))
    return f"Wrote {path}: fog in which one sees {visibility_m:g} m.\n{place.words}"


def blur(source: Source, target: Target, focus: str, radius_percent: float) -> str:
    """focus: `2.5m`, or a share of nearness from 0 to 1."""
    path = target.path(source, "blur")
    image, depth_map, sharp_at, place = _at(source, focus)
    radius_px = radius_percent / 100 * max(image.shape[:2])
    write_image(path, blurred_by_depth(image, depth_map, sharp_at, radius_px))
    return (
        f"Wrote {path}: sharp at {focus}, elsewhere blurred by up to {radius_px:.0f} pixels.{_words(place)}"
    )


def relight(source: Source, target: Target, direction: str, ambient: float) -> str:
    check_name("--from", direction, tuple(DIRECTIONS))
    path = target.path(source, "relit")
    place = read_place(source, ANY_SIDE_PX)
    lit = lit_from(DIRECTIONS[direction], place_normals(place))
    write_image(path, relit(place.image, lit, ambient))
    return f"Wrote {path}: lit from {direction}.\n{place.words}"


def normals(source: Source, target: Target, convention: str, bits: int) -> str:
    check_name("--convention", convention, tuple(CONVENTIONS))
    path = target.path(source, "normals")
    if path.suffix.lower() != ".png":
        raise file_error(path, "normal maps are written as .png")
    place = read_place(source, ANY_SIDE_PX)
    write_normal_map(path, place_normals(place), convention, bits)
    return f"Wrote {path}: normals as {convention} has them, {bits} bits.\n{place.words}"


def cut_slice(source: Source, target: Target, between: str, soft: float) -> str:
    """between: `1m,3m`, or shares of nearness, `0.6,1`."""
    ends = between.split(",")
    if len(ends) != 2 or _number(ends[0]) == _number(ends[1]):
        raise click.UsageError(f"--between is two depths with a comma, such as 1m,3m, not {between!r}")
    path = target.path(source, "slice", is_transparent=True)
    if all(_is_metres(end) for end in ends):
        place = read_place(source, ANY_SIDE_PX)
        low, high = sorted(_number(end) for end in ends)
        opacity = slice_in_metres(place.depth_map, low, high, soft)
        image, words = place.image, f"\n{place.words}"
    elif any(_is_metres(end) for end in ends):
        raise click.UsageError(
            f"both ends are metres, or both are shares of nearness, not {' and '.join(ends)}"
        )
    else:
        image, depth_map = _sharp(source)
        low, high = sorted(_number(end) for end in ends)
        opacity, words = slice_in_shares(depth_map, low, high, soft), ""
    write_image(path, cut_out(image, opacity))
    return f"Wrote {path}: what lies between {ends[0]} and {ends[1]}, {opacity.mean():.0%} of the picture.{words}"


@dataclass(frozen=True)
class Spot:
    """Where a picture is laid in. at: as the focus of `blur`. centre: `x,y` as shares of width and height."""

    at: str
    centre: str
    scale: float


def insert(source: Source, target: Target, thing: Path, spot: Spot) -> str:
    """thing: a picture, or a mesh, which needs a depth in metres."""
    match = re.fullmatch(r"(-?\d*\.?\d+),(-?\d*\.?\d+)", spot.centre)
    if match is None:
        raise click.UsageError(f"--centre is X,Y, such as 0.5,0.5, not {spot.centre!r}")
    path = target.path(source, "composed")
    is_mesh = thing.suffix.lower() in MESH_SUFFIXES
    if is_mesh and not _is_metres(spot.at):
        raise click.UsageError(f"a mesh has metres: say where it stands in metres, as 2.5m, not {spot.at!r}")
    loaded = read_mesh(thing) if is_mesh else _rgba(thing)
    image, depth_map, inverse, place = _at(source, spot.at)
    height, width = depth_map.shape
    centre_px = float(match[1]) * width, float(match[2]) * height
    if isinstance(loaded, Mesh):
        assert place is not None
        standing = stood_at(loaded, place.camera, centre_px, _number(spot.at), spot.scale)
        composed = with_mesh(image, depth_map, standing, place.camera)
    else:
        composed = with_picture(image, depth_map, loaded, Placement(inverse, centre_px, spot.scale))
    write_image(path, composed)
    return f"Wrote {path}: {thing} at {spot.at}.{_words(place)}"


def _at(source: Source, text: str) -> tuple[Rgb, DepthMap, float, Place | None]:
    """Picture, depth map, the inverse depth that the text names in it, and, if that is metres, the place."""
    if _is_metres(text):
        place = read_place(source, ANY_SIDE_PX)
        return place.image, place.depth_map, inverse_at_metres(place.depth_map, _number(text)), place
    image, depth_map = _sharp(source)
    return image, depth_map, inverse_at_share(depth_map, _number(text)), None


def _words(place: Place | None) -> str:
    """What was assumed, on lines of its own."""
    return "" if place is None else f"\n{place.words}"


def _sharp(source: Source) -> tuple[Rgb, DepthMap]:
    image, depth_map = read_photo(source, ANY_SIDE_PX)
    return image, snap_depth(depth_map, image)


def _is_metres(text: str) -> bool:
    return text.endswith("m")


def _number(text: str) -> float:
    match = re.fullmatch(r"(\d*\.?\d+)(m?)", text)
    if match is None or (match[2] == "" and float(match[1]) > 1):
        raise click.UsageError(
            f"a place in depth is metres, as 2.5m, or a share of nearness from 0 to 1, not {text!r}"
        )
    return float(match[1])


def _rgba(path: FilePath) -> UInt8[np.ndarray, "h w 4"]:
    with open_picture(path) as picture:
        return np.array(picture.convert("RGBA"))
