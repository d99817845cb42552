"""A picture with depth as a place: what was seen, and behind its edges what may lie there.

Two layers, after Shade et al., Layered Depth Images (SIGGRAPH 1998) and Kopf et al., One Shot 3D Photography
(SIGGRAPH 2020): the surface in the picture, cut where the depth jumps; and behind it, at every cut, the farther
side continued under the nearer one and around the frame, with its colours inpainted from the farther side alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int, Int32, UInt8

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.mesh import Mesh
from openmidas.scene.nearness import nearest_pixels, whole_inverse
from openmidas.scene.reconstruct import LARGEST_STEP, depth_cuts, sky_as_backdrop

LARGEST_SHIFT = 0.2
"""How far the nearest thing may move across the picture, as a share of the longer side, before no more background
is there to be revealed. Views that look right stay well below."""

MARGIN = 0.1
"""By how much the scene goes on around the frame, mirrored, as a share of the longer side."""

_DEPTH_CLASSES = 6  # what lies behind a face may be hair, and behind that a wall
_HIDDEN_SIDE_PX = 640  # what nobody saw has no finer detail than this
_OVERLAP_PX = 3  # by so much the background lies under the edge it continues, so that no crack opens
_BEHIND = 5e-3  # of the inverse depth: where background and surface overlap, the surface wins
_SOFT_PX = 4  # an edge may be a ramp in depth; beyond it is the farther side
_GROWN_PX = 2  # to as many pixels from an edge its mixed colours go with the nearer side
_MIXED_PX = 3  # on either side of an edge the colours of a photograph are those of both sides
_INPAINT_RADIUS_PX = 5


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture that can be looked at from elsewhere.

    depth_map: metric depth, or depth up to a scale (then every distance is in its unit). camera: who took it.
    surface: what the picture shows, a quad a pixel, and a mirrored margin around it.
    background: what may lie behind the edges of the surface.
    """

    image: UInt8[np.ndarray, "h w 3"]
    depth_map: DepthMap
    camera: Camera
    surface: Mesh
    background: Mesh


def build_scene(image: UInt8[np.ndarray, "h w 3"], depth_map: DepthMap, camera: Camera) -> Scene:
    """The layered scene of a picture, its depth and its camera, all of one size.

    Sky becomes a backdrop far behind everything; pixels that are not valid take the depth beside them.
    Raises ConventionError for an affine-invariant map, for one without a finite depth, or sizes that differ.
    """
    if not image.shape[:2] == depth_map.shape == camera.shape:
        raise ConventionError(
            f"picture, depth map and camera must have one size, not {image.shape[:2]}, "
            f"{depth_map.shape} and {camera.shape}"
        )
    height, width = image.shape[:2]
    margin = round(MARGIN * max(height, width))
    canvas = camera.crop(-margin, -margin, height + 2 * margin, width + 2 * margin)
    picture = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    inverse = _with_mixed_pixels_near(np.pad(whole_inverse_depth(depth_map), margin, mode="edge"))
    surface = grid_surface(inverse, depth_cuts(as_map(inverse)))
    return Scene(
        image,
        depth_map,
        camera,
        _textured(surface, canvas, twice_as_large(picture)),
        _background(picture, inverse, canvas),
    )


def whole_inverse_depth(depth_map: DepthMap) -> Float32[np.ndarray, "h w"]:
    """Inverse depth above 0 at every pixel: holes filled by `whole_inverse`, the sky far behind everything."""
    return sky_as_backdrop(whole_inverse(depth_map))


def _with_mixed_pixels_near(inverse: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """The nearer side of every cut grown by two pixels.

    The pixels at an edge show a mixture of both sides. On the nearer side nobody sees it, on the farther side it
    would stay behind as an outline of what has moved away.
    """
    for _ in range(_GROWN_PX):
        inverse = np.where(_far_side(inverse), cv2.dilate(inverse, _square(1)), inverse)
    return inverse


def as_map(inverse: Float32[np.ndarray, "h w"]) -> DepthMap:
    return DepthMap.from_values(inverse, "inverse_depth", "scale_invariant")


# ---------------------------------------------------------------------------------------------- the surface


def twice_as_large(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The picture at twice the size, the mean of every 2×2 pixels the picture again (iterative back-projection)."""
    height, width = image.shape[:2]
    target = image.astype(np.float32)
    large = np.asarray(cv2.resize(target, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC))
    for _ in range(2):
        missing = target - cv2.resize(np.clip(large, 0, 255), (width, height), interpolation=cv2.INTER_AREA)
        large = large + cv2.resize(missing, (2 * width, 2 * height), interpolation=cv2.INTER_NEAREST)
    return np.clip(large + 0.5, 0, 255).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class GridSurface:
    """A surface on which every pixel is a whole quad, joined to its neighbours but where the depth is cut.

    corners_px: (x, y) of each vertex in the picture. triangles: two for every pixel, first all that lie at the
    bottom left of theirs, then the others.
    """

    corners_px: Float32[np.ndarray, "n 2"]
    inverse_depth: Float32[np.ndarray, " n"]
    triangles: Int32[np.ndarray, "m 3"]

    def vertices(self, camera: Camera) -> Float32[np.ndarray, "n 3"]:
        """Where the corners lie in the world."""
        depth = 1 / self.inverse_depth.astype(np.float64)
        return camera.unproject(self.corners_px.astype(np.float64), depth).astype(np.float32)


def grid_surface(
    inverse: Float32[np.ndarray, "h w"], cuts: tuple[Bool[np.ndarray, "h w1"], Bool[np.ndarray, "h1 w"]]
) -> GridSurface:
    """The surface of an inverse depth map, pixels of NaN left out.

    Unlike the mesh through pixel centres it leaves no gap along a cut: seen from where the picture was taken, it
    covers every pixel. Inverse depth at a corner: the mean over those pixels around it that are joined, which on
    a plane is exact.
    """
    groups = _groups_at_corners(*cuts)
    values, number = _corner_vertices(inverse, groups)
    _, rows, columns = np.nonzero(number >= 0)
    quads = _quads(number, groups)[~np.isnan(inverse)]
    return GridSurface(
        np.stack([columns, rows], axis=1).astype(np.float32),
        values,
        np.concatenate([quads[:, [0, 2, 3]], quads[:, [0, 3, 1]]]),
    )


def _textured(surface: GridSurface, camera: Camera, texture: UInt8[np.ndarray, "_ _ 3"]) -> Mesh:
    uv = surface.corners_px / np.array(camera.shape[::-1], np.float32)
    return Mesh(surface.vertices(camera), surface.triangles, uv=uv, texture=texture)


def _groups_at_corners(
    right: Bool[np.ndarray, "h w1"], below: Bool[np.ndarray, "h1 w"]
) -> Int[np.ndarray, "4 rows columns"]:
    """At every corner of the grid, which of the four pixels around it belong together: the number of the first.

    The order is top left, top right, bottom left, bottom right; two are joined where no cut is on one of the
    two ways around the corner.
    """
    across = np.pad(~right, 1)
    down = np.pad(~below, 1)
    top, bottom, left, right_side = across[:-1], across[1:], down[:, :-1], down[:, 1:]
    second = np.where(top | (left & bottom & right_side), 0, 1)
    third = np.where(left | (top & right_side & bottom), 0, np.where(right_side & bottom, second, 2))
    fourth = np.where(right_side, second, np.where(bottom, third, 3))
    return np.stack([np.zeros_like(second), second, third, fourth]).astype(np.int8)


def _corner_vertices(
    inverse: Float32[np.ndarray, "h w"], groups: Int[np.ndarray, "4 rows columns"]
) -> tuple[Float32[np.ndarray, " n"], Int32[np.ndarray, "4 rows columns"]]:
    """Inverse depth of every vertex, and the number of each group's vertex at each corner, -1 where there is none."""
    padded = np.pad(inverse, 1, constant_values=np.nan)
    around = np.stack([padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]])
    present = ~np.isnan(around)
    around = np.where(present, around, np.float32(0))
    members = [(groups == group) & present for group in range(4)]
    count = np.stack([member.sum(axis=0) for member in members])
    total = np.stack([np.where(member, around, np.float32(0)).sum(axis=0) for member in members])
    used = count > 0
    number = np.where(used, np.cumsum(used).reshape(used.shape) - 1, -1).astype(np.int32)
    return (total[used] / count[used]).astype(np.float32), number


def _quads(
    number: Int32[np.ndarray, "4 rows columns"], groups: Int[np.ndarray, "4 rows columns"]
) -> Int32[np.ndarray, "h w 4"]:
    """The vertices at the top left, top right, bottom left and bottom right corner of every pixel."""
    vertex = np.take_along_axis(number, groups.astype(np.int64), axis=0)
    # a pixel is the bottom right one of those around its top left corner, and so on
    return np.stack([vertex[3, :-1, :-1], vertex[2, :-1, 1:], vertex[1, 1:, :-1], vertex[0, 1:, 1:]], axis=-1)


# ------------------------------------------------------------------------------------------- the background


def _background(
    picture: UInt8[np.ndarray, "h w 3"], front: Float32[np.ndarray, "h w"], camera: Camera
) -> Mesh:
    """One sheet for each of a few classes of depth: what that class shows when all that is nearer is taken away.

    The sheets lie below each other in one grid, with an empty row between, and so do their textures.
    """
    scale = min(1.0, _HIDDEN_SIDE_PX / max(front.shape))
    height, width = shape = (round(front.shape[0] * scale), round(front.shape[1] * scale))
    size = (width, height)
    front = cv2.resize(front, size, interpolation=cv2.INTER_NEAREST_EXACT)
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    edge = _far_side(front)
    limits = np.geomspace(front[edge].min(), front[edge].max(), _DEPTH_CLASSES) if edge.any() else np.ones(1)
    of_class = np.searchsorted(limits[:-1], front)
    layers = [
        _layer(picture, front, edge & (of_class <= k), of_class == k, limit) for k, limit in enumerate(limits)
    ]
    grid = np.concatenate(
        [np.pad(layer.inverse_depth, ((0, 1), (0, 0)), constant_values=np.nan) for layer in layers]
    )
    # not cut: between two depths that are both invented a slope is as good as a step, and leaves no hole
    surface = grid_surface(grid, (np.zeros_like(grid[:, 1:], bool), np.zeros_like(grid[1:], bool)))
    number, y = np.divmod(surface.corners_px[:, 1], np.float32(height + 1))
    x = surface.corners_px[:, 0]
    places = replace(surface, corners_px=np.stack([x, y], axis=1))
    return Mesh(
        places.vertices(camera.resize(shape)),
        surface.triangles,
        uv=np.stack([x / width, (number * height + y) / (height * len(layers))], axis=1).astype(np.float32),
        texture=np.concatenate([layer.picture for layer in layers]),
    )


class _Layer(NamedTuple):
    """Inverse depth, NaN where nothing is hidden, and colours."""

    inverse_depth: Float32[np.ndarray, "h w"]
    picture: UInt8[np.ndarray, "h w 3"]


def _layer(
    picture: UInt8[np.ndarray, "h w 3"],
    front: Float32[np.ndarray, "h w"],
    edge: Bool[np.ndarray, "h w"],
    own: Bool[np.ndarray, "h w"],
    limit: float,
) -> _Layer:
    """What lies behind the pixels nearer than a limit: the `edge` pixels next to them, those that are `own`, continued.

    A camera that moves the nearest thing by the largest shift against infinity reveals beside each edge a strip as
    wide as the two sides' difference in inverse depth asks for.
    """
    if not edge.any():
        return _Layer(np.full_like(front, np.nan), picture)
    distance, source = nearest_pixels(edge)
    behind = cv2.erode(front, _square(_SOFT_PX)).ravel()[source]
    revealed_px = LARGEST_SHIFT * max(front.shape) * (front - behind) / front.max()
    nearer = front > limit * (1 + LARGEST_STEP)
    hidden = nearer & (distance <= revealed_px + _OVERLAP_PX) & own.ravel()[source]
    beside = ~hidden & (cv2.dilate((edge & own).astype(np.uint8), _square(_OVERLAP_PX)) > 0)
    inverse = np.where(hidden, _smoothed(behind, hidden), front * np.float32(1 - _BEHIND))
    inverse[~(hidden | (beside & ~nearer))] = np.nan
    # twice as deep, so that inpainting comes from the farther side and never from the middle of the nearer
    foreign = nearer & (distance <= 2 * revealed_px + 4 * _OVERLAP_PX)
    unknown = cv2.dilate(foreign.astype(np.uint8), _square(_MIXED_PX))
    return _Layer(inverse, cv2.inpaint(picture, unknown, _INPAINT_RADIUS_PX, cv2.INPAINT_TELEA))


def _square(radius_px: int) -> UInt8[np.ndarray, "n n"]:
    return np.ones((2 * radius_px + 1, 2 * radius_px + 1), np.uint8)


def _far_side(inverse: Float32[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The pixels at a cut whose neighbour across it is nearer."""
    right, below = depth_cuts(as_map(inverse))
    far = np.zeros(inverse.shape, bool)
    rises = np.diff(inverse, axis=1) > 0
    far[:, :-1] |= right & rises
    far[:, 1:] |= right & ~rises
    rises = np.diff(inverse, axis=0) > 0
    far[:-1] |= below & rises
    far[1:] |= below & ~rises
    return far


def _smoothed(
    values: Float32[np.ndarray, "h w"], inside: Bool[np.ndarray, "h w"]
) -> Float32[np.ndarray, "h w"]:
    """The mean over what is inside around each pixel, unless that is another surface."""
    weight = cv2.blur(inside.astype(np.float32), (9, 9))
    mean = cv2.blur(np.where(inside, values, np.float32(0)), (9, 9)) / np.maximum(weight, np.float32(1e-6))
    return np.where(np.abs(mean - values) <= LARGEST_STEP * values, mean, values)
