"""`openmidas scene`, `clip`, `stereo` and `figure`: a photograph as a place, seen from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from openmidas.cli.meaning import check_name
from openmidas.cli.place import Source, read_photo, read_place
from openmidas.cli.progress import progress_bar
from openmidas.files.colmap import write_colmap
from openmidas.files.errors import file_error, system_error
from openmidas.files.image_writing import check_image, write_image
from openmidas.files.meshes import write_mesh, write_points
from openmidas.files.video import check_clip, write_clip
from openmidas.scene.clips import clip_frames
from openmidas.scene.figure import (
    Entry,
    View,
    standard_views,
    to_contact_sheet,
    view_along,
    view_from_too_far,
    write_damage_plot,
    write_figure,
)
from openmidas.scene.paths import PATHS, cameras_along
from openmidas.scene.reconstruct import to_mesh, to_points
from openmidas.scene.refine import snap_depth
from openmidas.scene.stereo import LAYOUTS, StereoScene
from openmidas.scene.study import Studied, shot_in, study, warning_along
from openmidas.scene.views import render_view

ANY_SIDE_PX = 1 << 16
_ROW_SHARES = (
    0.5,
    1,
    2,
)  # of how far the camera may go: the views of a figure, before the one that is too far
_STILL = (".gif", ".webp")


# ------------------------------------------------------------------------------------------------------- scene


def _write_glb(path: Path, studied: Studied) -> None:
    place = studied.place
    write_mesh(path, to_mesh(place.depth_map, place.camera, place.image), place.camera)


def _write_mesh(path: Path, studied: Studied) -> None:
    place = studied.place
    write_mesh(path, to_mesh(place.depth_map, place.camera, place.image))


def _write_points(path: Path, studied: Studied) -> None:
    place = studied.place
    write_points(path, to_points(place.depth_map, place.camera, place.image))


def _write_colmap(path: Path, studied: Studied) -> None:
    """With the picture that its cameras speak of, at the size that they speak of."""
    place = studied.place
    points = to_points(place.depth_map, place.camera, place.image)
    write_colmap(path / "sparse", points, place.camera, "photo.jpg")
    write_image(path / "photo.jpg", place.image)


def _write_views(path: Path, studied: Studied) -> None:
    views = standard_views(studied.scene, studied.probe, studied.reach)
    write_image(path, to_contact_sheet(studied.place.depth_map, views))


def _write_reach(path: Path, studied: Studied) -> None:
    write_damage_plot(path, studied.probe, studied.reach)


SCENE_FILES: Mapping[str, tuple[str, Callable[[Path, Studied], None]]] = MappingProxyType(
    {
        "glb": ("_scene.glb", _write_glb),
        "views": ("_views.png", _write_views),
        "reach": ("_reach.png", _write_reach),
        "obj": ("_scene.obj", _write_mesh),
        "ply": ("_scene.ply", _write_mesh),
        "points": ("_points.ply", _write_points),
        "npz": ("_points.npz", _write_points),
        "colmap": ("_colmap", _write_colmap),
    }
)


def make_scene(source: Source, output: Path | None, formats: str, side_px: int, overwrite: bool) -> str:
    """Write the files of the formats beside the photo, or into `output`; what was made and what was assumed.

    Raises FileError, ConventionError, click.UsageError.
    """
    names = [name.strip() for name in formats.split(",")]
    for name in names:
        check_name("--format", name, tuple(SCENE_FILES))
    folder = _made_folder(output or source.photo.parent)
    paths = {name: folder / f"{source.photo.stem}{SCENE_FILES[name][0]}" for name in dict.fromkeys(names)}
    for path in paths.values():
        check_new(path, overwrite)
    studied = study(read_place(source, side_px))
    for name, path in paths.items():
        if name == "colmap":
            _made_folder(path)
        SCENE_FILES[name][1](path, studied)
    made = ", ".join(map(str, paths.values()))
    return f"Wrote {made}.\n{studied.place.words}\n{studied.reach_words}"


# -------------------------------------------------------------------------------------------------------- clip


@dataclass(frozen=True)
class Clip:
    """The options of `clip`. move_m: metres along every axis, instead of a share of what is allowed."""

    path: str | None
    seconds: float | None
    fps: float | None
    reach: float
    move: float | None
    pivot: float | None
    side: int
    overwrite: bool


def make_clip(source: Source, output: Path | None, clip: Clip) -> str:
    """Write the clip; what was made, assumed, and a warning where the camera goes too far.

    Raises FileError, ConventionError, click.UsageError.
    """
    name = clip.path or ("wiggle" if output is not None and output.suffix.lower() in _STILL else "circle")
    check_name("--path", name, tuple(PATHS))
    path = replace(
        PATHS[name],
        duration_s=clip.seconds or PATHS[name].duration_s,
        frames_per_s=clip.fps or PATHS[name].frames_per_s,
    )
    target = output or source.photo.with_name(f"{source.photo.stem}_{name}.mp4")
    check_new(target, clip.overwrite)
    check_clip(target, path.frames_per_s)
    studied = study(read_place(source, clip.side))
    shot = shot_in(studied, path, clip.reach, clip.move, clip.pivot)
    with progress_bar(len(cameras_along(path, shot)), "Rendering") as advance:
        frames = clip_frames(path, shot, partial(render_view, studied.scene), advance)
        write_clip(target, frames, path.frames_per_s)
    words = f"Wrote {target}: {name}, {path.duration_s:g} s.\n{studied.place.words}\n{studied.reach_words}"
    warning = warning_along(studied.reach, path, shot)
    return words if warning is None else f"{words}\nWarning: {warning}."


# ------------------------------------------------------------------------------------------- stereo and figure


def make_stereo(
    source: Source, output: Path | None, layout: str, divergence: float, convergence: float, overwrite: bool
) -> str:
    """Write the stereo picture at the photo's own size; what was made. FileError, click.UsageError."""
    check_name("--layout", layout, tuple(LAYOUTS))
    target = output or source.photo.with_name(f"{source.photo.stem}_{layout}.png")
    check_new(target, overwrite)
    check_image(target)
    image, depth_map = read_photo(source, ANY_SIDE_PX)
    write_image(
        target, LAYOUTS[layout](StereoScene(image, snap_depth(depth_map, image), divergence, convergence))
    )
    return f"Wrote {target}: {layout}, at most {divergence:g} % of the width apart."


def make_figure(sources: Sequence[Source], output: Path, side_px: int, overwrite: bool) -> str:
    """Write the figure of every photo, its depth and its views; what was assumed of each."""
    check_new(output, overwrite)
    entries, words = [], []
    with progress_bar(len(sources), "Rendering") as advance:
        for source in sources:
            studied = study(read_place(source, side_px))
            entries.append(Entry(studied.place.image, studied.place.depth_map, _row_of_views(studied)))
            words.append(f"{source.photo}: {studied.place.words}\n{studied.reach_words}")
            advance()
    write_figure(output, entries)
    return "\n".join([f"Wrote {output}.", *words])


def _row_of_views(studied: Studied) -> list[View]:
    """To the right, as far as the camera may go, twice, four times as far, and too far."""
    limit_m = studied.reach.furthest_m["right"]
    too_far = view_from_too_far(studied.scene, studied.probe)
    distances_m = [share * limit_m for share in _ROW_SHARES if share * limit_m < too_far.distance_m]
    seen = [view_along(studied.scene, studied.probe, "right", distance_m) for distance_m in distances_m]
    return [*seen, too_far]


def check_new(path: Path, overwrite: bool) -> None:
    """FileError for what is there already and may not be replaced."""
    if path.exists() and not overwrite:
        raise file_error(path, "exists: add --overwrite to replace it, or name another file")


def _made_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise system_error(folder, error) from error
    return folder
