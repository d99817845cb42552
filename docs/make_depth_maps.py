"""Makes the pictures of docs/depth-maps.md with the renderer that the page explains.

python docs/make_depth_maps.py [FOLDER]
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import matplotlib

matplotlib.use("agg")
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from openmidas.camera import Camera
from openmidas.depth_map import DepthMap
from openmidas.encoding import Encoding, encoding_named
from openmidas.files.heatmap import to_heatmap
from openmidas.scene.fragments import triangle_fragments
from openmidas.scene.zbuffer import Drawing, ZBuffer, draw, render_triangles

SHAPE = (240, 320)
CAMERA = Camera.from_fov(SHAPE, 60).moved((0, -1.7, 0)).looking_at((0, 0.1, 6))
LIGHT = np.array([-0.5, -0.75, -0.45])
SKY = (0.72, 0.84, 0.95)
SKY_UNLIT = (1.12, 1.31, 1.48)  # a wall of this colour is lit to the sky's


@dataclass(frozen=True, eq=False)
class Solid:
    """Corners of triangles, (m, 3, 3) metres, and a colour of each, (m, 3) from 0 to 1, before light falls on it."""

    corners: np.ndarray
    colours: np.ndarray

    def drawable(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vertices, triangles, and lit colours as attributes."""
        a, b, c = np.moveaxis(self.corners, 1, 0)
        normals = np.cross(b - a, c - a)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        light = 0.35 + 0.65 * np.maximum(normals @ LIGHT / np.linalg.norm(LIGHT), 0)
        colours = np.repeat(self.colours * light[:, None], 3, axis=0).astype(np.float32)
        vertices = self.corners.reshape(-1, 3).astype(np.float32)
        return vertices, np.arange(len(vertices), dtype=np.int32).reshape(-1, 3), colours


def together(*solids: Solid) -> Solid:
    """Several as one."""
    return Solid(
        np.concatenate([solid.corners for solid in solids]),
        np.concatenate([solid.colours for solid in solids]),
    )


def quad(corners: np.ndarray, colour: tuple[float, float, float]) -> Solid:
    """A rectangle of two triangles; its corners go counter-clockwise as one sees it."""
    a, b, c, d = np.asarray(corners, float)
    return Solid(np.array([[a, b, c], [a, c, d]]), np.tile(colour, (2, 1)))


def box(
    low: tuple[float, float, float], high: tuple[float, float, float], colour: tuple[float, float, float]
) -> Solid:
    """An upright box between two opposite corners."""
    corner = np.array(
        [[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    )
    sides = [(2, 6, 4, 0), (7, 3, 1, 5), (3, 2, 0, 1), (6, 7, 5, 4), (0, 4, 5, 1), (3, 7, 6, 2)]
    return together(*(quad(corner[list(side)], colour) for side in sides))


def ball(middle: tuple[float, float, float], radius: float, colour: tuple[float, float, float]) -> Solid:
    """A sphere of some hundred triangles."""
    around, down = np.meshgrid(np.linspace(0, 2 * np.pi, 49), np.linspace(0, np.pi, 25))
    places = np.stack([np.sin(down) * np.cos(around), -np.cos(down), np.sin(down) * np.sin(around)], axis=2)
    a, b, c, d = (
        places[rows, columns].reshape(-1, 3)
        for rows in (np.s_[:-1], np.s_[1:])
        for columns in (np.s_[:-1], np.s_[1:])
    )
    corners = np.stack([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)], axis=1).reshape(-1, 3, 3)
    return Solid(corners * radius + np.array(middle), np.tile(colour, (len(corners), 1)))


def floor(tiles: int = 24) -> Solid:
    """A checkered floor at y = 0, a metre a tile."""
    parts = []
    for i in range(-tiles, tiles):
        for k in range(-4, tiles):
            shade = 0.86 if (i + k) % 2 else 0.62
            corners = np.array([[i, 0, k], [i + 1, 0, k], [i + 1, 0, k + 1], [i, 0, k + 1]])
            parts.append(quad(corners, (shade, shade * 0.97, shade * 0.9)))
    return together(*parts)


def scene() -> Solid:
    """What most pictures show: a floor, boxes and balls from 3 to 20 metres away."""
    return together(
        floor(),
        box((-1.9, -1.3, 4.6), (-0.7, 0, 5.8), (0.80, 0.36, 0.28)),
        ball((0.35, -0.55, 4.2), 0.55, (0.93, 0.72, 0.25)),
        box((1.3, -2.4, 7.0), (2.6, 0, 8.3), (0.30, 0.50, 0.72)),
        ball((-0.3, -0.9, 9.0), 0.9, (0.42, 0.65, 0.40)),
        box((-6.5, -4.2, 14), (-3.5, 0, 16), (0.62, 0.52, 0.70)),
        box((3.2, -3.2, 18), (7.0, 0, 20), (0.75, 0.60, 0.48)),
    )


def picture_of(drawing: Drawing) -> np.ndarray:
    """RGB uint8 with a sky."""
    colours = np.where(drawing.index[..., None] < 0, np.float32(SKY), drawing.attributes)
    return (255 * colours.clip(0, 1)).round().astype(np.uint8)


def smooth_picture(solid: Solid, camera: Camera) -> np.ndarray:
    """RGB uint8, each pixel the mean of three by three."""
    large = camera.resize((3 * camera.shape[0], 3 * camera.shape[1]))
    fine = picture_of(render_triangles(*solid.drawable(), large))
    return np.asarray(cv2.resize(fine, camera.shape[::-1], interpolation=cv2.INTER_AREA))


def depth_of(solid: Solid, camera: Camera) -> DepthMap:
    """Metres, the sky at infinity."""
    return DepthMap.from_values(render_triangles(*solid.drawable(), camera).depth, "depth", "metric")


def panels(rows: int, columns: int, pictures: list[np.ndarray], titles: list[str]) -> Figure:
    """Pictures in a grid, each below its title."""
    height, width = pictures[0].shape[:2]
    size = (3.1 * columns, rows * (3.1 * height / width + 0.34))
    figure, axes = plt.subplots(rows, columns, figsize=size, dpi=110, squeeze=False, layout="constrained")
    for axis, picture, title in zip(axes.ravel(), pictures, titles, strict=True):
        axis.imshow(
            picture,
            cmap="gray",
            vmin=0,
            vmax=1 if picture.dtype.kind == "f" else 255,
            interpolation="nearest",
        )
        axis.set_title(title, fontsize=10)
        axis.axis("off")
    return figure


def what_it_is() -> Figure:
    """The picture and its depth map in the three usual dresses."""
    picture, depth_map = smooth_picture(scene(), CAMERA), depth_of(scene(), CAMERA)
    dresses = [
        picture,
        to_heatmap(depth_map),
        to_heatmap(depth_map, "gray"),
        to_heatmap(depth_map, "gray", False),
    ]
    return panels(2, 2, dresses, ["the picture", "heatmap", "gray, near is bright", "gray, far is bright"])


def linear_or_inverse() -> Figure:
    """The same depth, written linear in z and in 1/z between the same planes."""
    depth_map, near, far = depth_of(scene(), CAMERA), 2.5, 20.0
    pictures = [1 - encoding_named(name, near, far).encode(depth_map) for name in ("linear", "opengl")]
    figure = panels(1, 3, [*pictures, pictures[0]], ["linear in z", "linear in 1/z", ""])
    axis = figure.axes[2]
    axis.clear()
    axis.set_aspect("auto")
    distance = np.linspace(near, far, 200)[None]
    for name, label in (("linear", "z"), ("opengl", "1/z")):
        codes = encoding_named(name, near, far).encode(DepthMap.from_values(distance, "depth", "metric"))
        axis.plot(distance[0], 1 - codes[0], label=f"linear in {label}")
    axis.set(xlabel="distance in metres", ylabel="brightness")
    axis.legend(frameon=False)
    return figure


def step_by_step() -> Figure:
    """Three triangles, drawn one after the other: the picture above, what the z-buffer holds below."""
    camera, far = Camera.from_focal((36, 48), 36), 8.0
    places = [
        [[-2.2, 1.2, 5], [1.4, 1.6, 5], [-0.4, -2, 5]],
        [[-1.3, -1.1, 6.5], [1.9, 2.2, 6.5], [3.4, -2.4, 6.5]],
        [[-3.6, -1.4, 6.9], [-3.9, 1.5, 6.9], [1.5, 0.2, 3.1]],
    ]
    colours = np.array([[0.85, 0.35, 0.28], [0.28, 0.5, 0.78], [0.95, 0.78, 0.3]])
    zbuffer = ZBuffer.cleared(camera.shape, encoding_named("linear", near=2, far=far))
    picture = np.ones((*camera.shape, 3), np.float32)
    above, below = [], []
    for corners, colour in zip(places, colours, strict=True):
        attributes = np.tile(colour, (3, 1)).astype(np.float32)
        triangle = np.array([[0, 1, 2]], np.int32)
        fragments = triangle_fragments(np.array(corners, np.float32), triangle, attributes, camera)
        zbuffer, picture = draw(fragments, zbuffer, picture)
        above.append((255 * picture).round().astype(np.uint8))
        below.append(1 - zbuffer.codes)
    titles = ["first, red at 5 m", "then blue at 6.5 m", "then yellow, 7 to 3 m"]
    return panels(2, 3, above + below, titles + ["what the z-buffer holds"] * 3)


def step_m(encoding: Encoding, distance_m: np.ndarray) -> np.ndarray:
    """How far apart in metres two depths are that differ by the smallest step of the encoding's numbers."""
    depth_map = DepthMap.from_values(distance_m[None], "depth", "metric")
    codes = encoding.encode(depth_map)[0]
    spacing = np.spacing(codes).astype(float) if encoding.bits is None else np.ones(len(codes))
    step = spacing / encoding.largest * abs(encoding.one - encoding.zero)
    return step if encoding.quantity == "depth" else 1 / (1 / distance_m - step) - distance_m


def precision() -> Figure:
    """The smallest step of depth over distance, OpenGL's numbers and reversed ones."""
    distance = np.geomspace(0.11, 900, 4000)
    figure, axis = plt.subplots(figsize=(7.4, 4.6), dpi=110, layout="constrained")
    for bits, colour in ((16, "tab:red"), (24, "tab:orange"), (32, "tab:green")):
        encoding = encoding_named("opengl", near=0.1, far=1000, bits=bits)
        axis.loglog(
            distance,
            positive(step_m(encoding, distance)),
            color=colour,
            linewidth=5,
            alpha=0.5,
            label=f"{bits} bits, either way round",
        )
    for name, colour in (("opengl", "black"), ("reversed-z", "tab:blue")):
        encoding = encoding_named(name, near=0.1, far=1000)
        axis.loglog(
            distance, positive(step_m(encoding, distance)), color=colour, label=f"32-bit float, {name}"
        )
    axis.set(
        xlabel="distance in metres", ylabel="smallest step in metres", ylim=(1e-10, 1e3), xlim=(0.1, 1000)
    )
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, fontsize=9)
    return figure


def positive(steps: np.ndarray) -> np.ndarray:
    """NaN where the next number is beyond infinity, which a plot leaves out."""
    return np.where(steps > 0, steps, np.nan)


def street() -> Solid:
    """Long walls on both sides with windows 3 centimetres in front, and a carpet 1 centimetre above the floor."""
    parts = [quad(np.array([[-60, 0, 0], [60, 0, 0], [60, 0, 200], [-60, 0, 200]]), (0.6, 0.58, 0.55))]
    parts += [
        box((-14, -9, 10), (-9, 0, 150), (0.9, 0.8, 0.7)),
        box((9, -9, 10), (14, 0, 150), (0.85, 0.75, 0.7)),
    ]
    for z in range(14, 146, 8):
        for top in (-8, -4.4):
            low, high = top + 2.6, top
            left = [[-8.97, low, z], [-8.97, low, z + 4], [-8.97, high, z + 4], [-8.97, high, z]]
            right = [[8.97, low, z + 4], [8.97, low, z], [8.97, high, z], [8.97, high, z + 4]]
            parts += [quad(np.array(corners), (0.2, 0.3, 0.6)) for corners in (left, right)]
    carpet = [[-2, -0.01, 4], [2, -0.01, 4], [2, -0.01, 150], [-2, -0.01, 150]]
    return together(*parts, quad(np.array(carpet), (0.75, 0.2, 0.2)))


def fighting() -> Figure:
    """A street by three depth buffers."""
    camera = Camera.from_fov((240, 320), 50).moved((0, -4, 0)).looking_at((0, -3, 60))
    fragments = triangle_fragments(*street().drawable(), camera)
    sky = np.tile(np.float32(SKY), (*camera.shape, 1))
    kinds = [("opengl", 16), ("opengl", 24), ("reversed-z", None)]
    pictures = []
    for name, bits in kinds:
        encoding = encoding_named(name, near=0.1, far=1000, bits=bits)
        _, picture = draw(fragments, ZBuffer.cleared(camera.shape, encoding), sky)
        pictures.append((255 * picture.clip(0, 1)).round().astype(np.uint8))
    return panels(1, 3, pictures, ["OpenGL, 16 bits", "OpenGL, 24 bits", "reversed-Z, float"])


def quake() -> Figure:
    """Four frames of a walk that never clears its z-buffer."""
    backdrop = [[-90, 30, 60], [90, 30, 60], [90, -60, 60], [-90, -60, 60]]
    closed = together(scene(), quad(np.array(backdrop), SKY_UNLIT))
    parities = [encoding_named(f"quake-{parity}", near=1, far=80) for parity in ("even", "odd")]
    zbuffer = ZBuffer.cleared(SHAPE, parities[0])
    pictures, buffers = [], []
    for number in range(4):
        fragments = triangle_fragments(*closed.drawable(), CAMERA.moved((0.7 * number - 1, 0, 0.5 * number)))
        black = np.zeros((*SHAPE, 3), np.float32)
        zbuffer, picture = draw(fragments, replace(zbuffer, encoding=parities[number % 2]), black)
        pictures.append((255 * picture.clip(0, 1)).round().astype(np.uint8))
        buffers.append(zbuffer.codes)
    titles = [f"frame {number}, {'odd' if number % 2 else 'even'}" for number in range(4)]
    ranges = [f"z-buffer, {codes.min():.2f} to {codes.max():.2f}" for codes in buffers]
    return panels(2, 4, pictures + buffers, titles + ranges)


FIGURES = {
    "what-it-is": what_it_is,
    "step-by-step": step_by_step,
    "linear-or-inverse": linear_or_inverse,
    "precision": precision,
    "fighting": fighting,
    "quake": quake,
}


def main() -> None:
    """Write every picture as depth-maps-NAME.webp."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "pictures"
    folder.mkdir(exist_ok=True)
    for name, make in FIGURES.items():
        figure = make()
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
        path = folder / f"depth-maps-{name}.webp"
        Image.fromarray(pixels).save(path, quality=88, method=6)
        plt.close(figure)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
