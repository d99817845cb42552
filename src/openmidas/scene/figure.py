"""Pictures of pictures: the contact sheet of a scene, the plot of its damage, and the figures of an article."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from openmidas.camera import Camera
from openmidas.depth_map import DepthMap
from openmidas.files.atomic import written_beside
from openmidas.files.errors import FilePath, file_error, missing_extra
from openmidas.files.heatmap import to_heatmap
from openmidas.scene.damage import (
    STEPS,
    Direction,
    Probe,
    Reach,
    damage_along,
    damage_of,
    largest_displacement,
)
from openmidas.scene.layers import Scene
from openmidas.scene.views import displaced, render_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Picture = UInt8[np.ndarray, "_ _ 3"]

TOO_FAR_DAMAGE = 0.4
"""The view called too far has this share of its pixels wrong, unless the camera would run into the subject first."""

_PANEL_SIDE_PX = 480
_LABEL_PX = 26
_LETTER_PX = 18.0
_GAP_PX = 8
_COLUMNS = 4
_PLOTTED = 2.5  # times the limit
_CURVE_POINTS = 16
_DPI = 200
_PARTS: Mapping[str, str] = MappingProxyType(
    {"never seen": "#c0392b", "stretched or seen from the side": "#e6a23c"}
)


class View(NamedTuple):
    """A view of a scene: what it is called, how far the camera went, the predicted damage, and the picture."""

    name: str
    distance_m: float
    damage: float
    picture: Picture

    @property
    def label(self) -> str:
        if self.distance_m == 0:
            return self.name
        return f"{self.name}: {self.distance_m:.2g} m, {self.damage:.0%} damage"


@dataclass(frozen=True, eq=False)
class Entry:
    """One picture of a figure, its depth, and views of it; the last of them is the one that went too far."""

    image: Picture
    depth_map: DepthMap
    views: Sequence[View]


def standard_views(scene: Scene, probe: Probe, reach: Reach) -> list[View]:
    """Centre, left, right, up, down and forward as far as the camera may go, and to the right too far."""
    ways: tuple[Direction, ...] = ("left", "right", "up", "down", "forward")
    views = [view_along(scene, probe, way, reach.furthest_m[way]) for way in ways]
    centre = View("centre", 0, 0, _rendered(scene, scene.camera))
    return [centre, *views, view_from_too_far(scene, probe)]


def view_from_too_far(scene: Scene, probe: Probe) -> View:
    """To the right until 40 % of the view is wrong, or the camera nearly at the subject."""
    distance_m = largest_displacement(probe, "right", TOO_FAR_DAMAGE)
    return view_along(scene, probe, "right", distance_m)._replace(name="too far right")


def view_along(scene: Scene, probe: Probe, direction: Direction, distance_m: float) -> View:
    """The view from a distance along a direction, at most 480 pixels a side."""
    camera = displaced(scene.camera, np.array(STEPS[direction]) * distance_m, probe.pivot_m)
    return View(direction, distance_m, damage_of(probe, camera).total, _rendered(scene, camera))


def _rendered(scene: Scene, camera: Camera) -> Picture:
    scale = min(1.0, _PANEL_SIDE_PX / max(camera.shape))
    return render_view(scene, camera.resize((round(camera.shape[0] * scale), round(camera.shape[1] * scale))))


def to_contact_sheet(depth_map: DepthMap, views: Sequence[View]) -> Picture:
    """The views and the depth map side by side, four in a row, each with its label below it."""
    height, width = views[0].picture.shape[:2]
    heatmap = cv2.resize(to_heatmap(depth_map), (width, height), interpolation=cv2.INTER_AREA)
    panels = [_labelled(view.picture, view.label) for view in views]
    panels.insert(_COLUMNS - 1, _labelled(heatmap, "depth"))
    panels += [np.full_like(panels[0], 255)] * (-len(panels) % _COLUMNS)
    rows = [np.concatenate(panels[k : k + _COLUMNS], axis=1) for k in range(0, len(panels), _COLUMNS)]
    sheet = np.concatenate(rows)
    return np.pad(sheet, ((_GAP_PX, 0), (_GAP_PX, 0), (0, 0)), constant_values=255)


def _labelled(picture: Picture, label: str) -> Picture:
    from PIL import Image, ImageDraw, ImageFont

    height, width = picture.shape[:2]
    panel = Image.new("RGB", (width + _GAP_PX, height + _LABEL_PX + _GAP_PX), "white")
    panel.paste(Image.fromarray(picture))
    draw = ImageDraw.Draw(panel)
    needed_px = draw.textlength(label, ImageFont.load_default(_LETTER_PX))
    # below a narrow picture the letters are smaller
    font = ImageFont.load_default(_LETTER_PX * min(1.0, 0.95 * width / needed_px))
    draw.text((width / 2, height + _LABEL_PX / 2 + 2), label, fill="black", font=font, anchor="mm")
    return np.asarray(panel)


def write_damage_plot(path: FilePath, probe: Probe, reach: Reach) -> None:
    """Draw damage against displacement along the six directions, each limit marked, as PNG or PDF by the suffix.

    Raises FileError for another suffix, a place that cannot be written, or without matplotlib.
    """
    _save(path, lambda figure: _draw_damage(figure, probe, reach), (9, 5))


def write_figure(path: FilePath, entries: Sequence[Entry]) -> None:
    """A row of picture, depth and new view for every entry, then its views in a row, the last too far; PNG or PDF.

    The new view is the first of the views. Raises FileError as `write_damage_plot`, ValueError for no entries.
    """
    if not entries:
        raise ValueError("a figure needs at least one picture")
    _save(path, lambda figure: _draw_entries(figure, entries), (9, 4.6 * len(entries)))


def _save(path: FilePath, draw: Callable[[Figure], None], size_inches: tuple[float, float]) -> None:
    suffix = Path(path).suffix.lower()
    if suffix not in (".png", ".pdf"):
        raise file_error(path, "figures are written as .png or .pdf: choose one of them")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra(path, "a figure", "scene") from error
    figure = Figure(figsize=size_inches, layout="constrained")
    draw(figure)
    # without the time of making, the same pictures give the same file
    metadata = {"CreationDate": None} if suffix == ".pdf" else {}
    with written_beside(path) as temporary:
        figure.savefig(temporary, dpi=_DPI, metadata=metadata, bbox_inches="tight")


def _draw_damage(figure: Figure, probe: Probe, reach: Reach) -> None:
    grid = figure.subplots(2, 3, sharey=True)
    for axes, way in zip(grid.T.flat, STEPS, strict=True):
        _draw_direction(axes, probe, way, reach)
    for axes in grid[:, 0]:
        axes.set_ylabel("share of pixels")
    for axes in grid[-1]:
        axes.set_xlabel("metres")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)


def _draw_direction(axes: Axes, probe: Probe, way: Direction, reach: Reach) -> None:
    limit = reach.furthest_m[way]
    distances = np.linspace(0, min(_PLOTTED * limit, 0.9 * probe.pivot_m), _CURVE_POINTS)
    damages = damage_along(probe, way, [float(distance) for distance in distances])
    unseen = np.array([damage.disoccluded for damage in damages])
    total = np.array([damage.total for damage in damages])
    axes.stackplot(distances, unseen, total - unseen, labels=list(_PARTS), colors=list(_PARTS.values()))
    axes.axhline(reach.damage, color="black", linewidth=0.8, linestyle=":")
    axes.axvline(limit, color="black", linewidth=1.2, label="how far the camera may go")
    axes.set_title(f"{way}: {limit:.2g} m", fontsize=10)
    axes.set_xlim(0, float(distances[-1]))
    axes.set_ylim(0, max(3 * reach.damage, 0.01))


def _draw_entries(figure: Figure, entries: Sequence[Entry]) -> None:
    parts = figure.subfigures(len(entries), 1, squeeze=False)[:, 0]
    for part, entry in zip(parts, entries, strict=True):
        top, bottom = part.subfigures(2, 1, height_ratios=(4, 3))
        first = entry.views[0]
        above = (entry.image, "picture"), (to_heatmap(entry.depth_map), "depth"), (first.picture, first.label)
        _draw_row(top.subplots(1, len(above), squeeze=False)[0], above)
        # two lines each: these are small
        views = [(view.picture, view.label.replace(", ", ",\n")) for view in entry.views]
        _draw_row(bottom.subplots(1, len(views), squeeze=False)[0], views)


def _draw_row(row: Sequence[Axes], panels: Sequence[tuple[Picture, str]]) -> None:
    for axes, (picture, label) in zip(row, panels, strict=True):
        axes.imshow(picture, interpolation="antialiased")
        axes.set_title(label, fontsize=7)
        axes.set_axis_off()
