"""A picture as a place, from elsewhere and in other light, as answers; what is here runs in a worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8

from openmidas.app.answers import JPEG, JSON, PNG, WEBP, Answer, Kind, written
from openmidas.app.processes import network
from openmidas.depth_map import DepthMap
from openmidas.files.image_writing import write_image
from openmidas.files.images import read_image
from openmidas.files.meshes import write_mesh
from openmidas.files.video import write_clip
from openmidas.scene.blur import blurred_by_depth
from openmidas.scene.calibrate import stated_focal_px
from openmidas.scene.clips import clip_frames
from openmidas.scene.effects import DIRECTIONS, fogged, lit_from, relit
from openmidas.scene.nearness import inverse_at_metres, inverse_at_share
from openmidas.scene.normals import place_normals, write_normal_map
from openmidas.scene.paths import PATHS
from openmidas.scene.place import Place, Stated, to_place, within_side
from openmidas.scene.reconstruct import to_mesh
from openmidas.scene.refine import snap_depth
from openmidas.scene.stereo import LAYOUTS, StereoScene
from openmidas.scene.study import Studied, shot_in, study, warning_along
from openmidas.scene.views import render_view

Rgb = UInt8[np.ndarray, "h w 3"]
SCENE_KINDS: Mapping[str, Kind] = MappingProxyType({"glb": Kind("model/gltf-binary", ".glb"), "reach": JSON})
CLIP_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "mp4": Kind("video/mp4", ".mp4"),
        "webm": Kind("video/webm", ".webm"),
        "gif": Kind("image/gif", ".gif"),
        "webp": WEBP,
    }
)
IMAGE_KINDS: Mapping[str, Kind] = MappingProxyType({"png": PNG, "jpg": JPEG, "webp": WEBP})
NORMAL_KINDS: Mapping[str, Kind] = MappingProxyType({"png": PNG})


@dataclass(frozen=True)
class PlaceRequest:
    """side_px: of the picture that the place is made of. The others: as in `Stated`; EXIF data are read."""

    model: str
    side_px: int
    near_m: float | None = None
    far_m: float | None = None
    fov_deg: float | None = None
    sky: bool = False


@dataclass(frozen=True)
class ClipRequest:
    """path: of PATHS; None in seconds and frames_per_s: the path's own. reach: of what the camera may go."""

    path: str
    seconds: float | None
    frames_per_s: float | None
    reach: float
    pivot_m: float | None


@dataclass(frozen=True)
class StereoRequest:
    layout: str
    divergence_percent: float
    convergence: float


@dataclass(frozen=True)
class BlurRequest:
    """focus: a share of nearness, unless focus_m says it in metres. radius_percent: of the longer side."""

    focus: float
    focus_m: float | None
    radius_percent: float


# --------------------------------------------------------------------------------------------------- scene and clip


def scene_answer(picture: bytes, wanted: PlaceRequest, kind: str) -> Answer:
    """The place as a GLB to look at, or how far the camera may go in it; raises FileError, ConventionError."""
    place = _place(picture, wanted)
    if kind == "reach":
        content = json.dumps(_reach(study(place)), allow_nan=False).encode()
        return Answer(content, JSON.media_type, "reach.json")
    mesh = to_mesh(place.depth_map, place.camera, place.image)
    content = written(".glb", lambda path: write_mesh(path, mesh, place.camera))
    return Answer(content, SCENE_KINDS[kind].media_type, "scene.glb", _assumed(place))


def _reach(studied: Studied) -> dict[str, Any]:
    place, reach = studied.place, studied.reach
    depth = place.depth_map.to_depth().values
    finite = depth[np.isfinite(depth)]
    return {
        "damage": reach.damage,
        "furthest_m": dict(reach.furthest_m),
        "limits_m": list(reach.limits_m),
        "pivot_m": studied.probe.pivot_m,
        "near_m": float(finite.min()),
        "far_m": float(finite.max()),
        "fov_deg": list(place.camera.fov_deg),
        "words": [*_plain(place.words).splitlines(), studied.reach_words],
    }


def clip_answer(picture: bytes, wanted: PlaceRequest, clip: ClipRequest, kind: str) -> Answer:
    """A film of the place; raises FileError, ConventionError."""
    path = PATHS[clip.path]
    path = replace(
        path,
        duration_s=clip.seconds or path.duration_s,
        frames_per_s=clip.frames_per_s or path.frames_per_s,
    )
    studied = study(_place(picture, wanted))
    shot = shot_in(studied, path, clip.reach, pivot_m=clip.pivot_m)
    frames = clip_frames(path, shot, partial(render_view, studied.scene))
    content = written(CLIP_KINDS[kind].suffix, lambda target: write_clip(target, frames, path.frames_per_s))
    warning = warning_along(studied.reach, path, shot)
    headers = _assumed(studied.place) | ({} if warning is None else {"Scene-Warning": warning})
    name = f"{clip.path}{CLIP_KINDS[kind].suffix}"
    return Answer(content, CLIP_KINDS[kind].media_type, name, headers)


def stereo_answer(picture: bytes, wanted: PlaceRequest, stereo: StereoRequest, kind: str) -> Answer:
    """Two views for two eyes in one picture; raises FileError, ConventionError."""
    image, depth_map = _sharp(picture, wanted)
    scene = StereoScene(image, depth_map, stereo.divergence_percent, stereo.convergence)
    return _image(LAYOUTS[stereo.layout](scene), kind, stereo.layout)


# ---------------------------------------------------------------------------------------------------------- effects


def fog_answer(picture: bytes, wanted: PlaceRequest, visibility_m: float, kind: str) -> Answer:
    """The picture in fog; raises FileError, ConventionError."""
    place = _place(picture, wanted)
    return _image(fogged(place.image, place.depth_map, visibility_m), kind, "fog", _assumed(place))


def blur_answer(picture: bytes, wanted: PlaceRequest, blur: BlurRequest, kind: str) -> Answer:
    """The picture sharp at one depth only; raises FileError, ConventionError."""
    if blur.focus_m is None:
        image, depth_map = _sharp(picture, wanted)
        sharp_at, headers = inverse_at_share(depth_map, blur.focus), {}
    else:
        place = _place(picture, wanted)
        image, depth_map, headers = place.image, place.depth_map, _assumed(place)
        sharp_at = inverse_at_metres(depth_map, blur.focus_m)
    radius_px = blur.radius_percent / 100 * max(image.shape[:2])
    return _image(blurred_by_depth(image, depth_map, sharp_at, radius_px), kind, "blur", headers)


def normals_answer(
    picture: bytes, wanted: PlaceRequest, convention: str, bits: Literal[8, 16], kind: str
) -> Answer:
    """The normal map; raises FileError, ConventionError."""
    place = _place(picture, wanted)
    normals = place_normals(place)
    content = written(".png", lambda path: write_normal_map(path, normals, convention, bits))
    return Answer(content, NORMAL_KINDS[kind].media_type, "normals.png", _assumed(place))


def relight_answer(picture: bytes, wanted: PlaceRequest, direction: str, ambient: float, kind: str) -> Answer:
    """The picture in other light; raises FileError, ConventionError."""
    place = _place(picture, wanted)
    lit = lit_from(DIRECTIONS[direction], place_normals(place))
    return _image(relit(place.image, lit, ambient), kind, "relit", _assumed(place))


# ------------------------------------------------------------------------------------------------------ what all need


def _place(picture: bytes, wanted: PlaceRequest) -> Place:
    image, depth_map = _both(picture, wanted)
    focal_px = stated_focal_px(depth_map.shape, picture, wanted.fov_deg)
    stated = Stated(wanted.near_m, wanted.far_m, wanted.fov_deg, focal_px, wanted.sky)
    return to_place(image, depth_map, stated)


def _sharp(picture: bytes, wanted: PlaceRequest) -> tuple[Rgb, DepthMap]:
    image, depth_map = _both(picture, wanted)
    return image, snap_depth(depth_map, image)


def _both(picture: bytes, wanted: PlaceRequest) -> tuple[Rgb, DepthMap]:
    return within_side(read_image(picture), network(wanted.model)(picture), wanted.side_px)


def _image(pixels: Rgb, kind: str, name: str, headers: Mapping[str, str] | None = None) -> Answer:
    def write(path: Path) -> None:
        write_image(path, pixels)

    suffix = IMAGE_KINDS[kind].suffix
    return Answer(written(suffix, write), IMAGE_KINDS[kind].media_type, f"{name}{suffix}", headers or {})


def _assumed(place: Place) -> dict[str, str]:
    """The header that says what was stated, read, estimated or just assumed; headers are ASCII."""
    return {"Scene-Assumed": _plain(place.words).replace("\n", " ").replace("°", " degrees")}


def _plain(words: str) -> str:
    """Without the dashes of the command line: here they are parameters of the same names."""
    return words.replace("--", "")
