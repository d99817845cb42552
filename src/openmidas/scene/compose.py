"""Pictures and meshes laid into a photograph at a depth: what is nearer in the photograph stays before them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.mesh import Mesh
from openmidas.scene.light import to_light, to_srgb
from openmidas.scene.nearness import check_metric, whole_inverse
from openmidas.scene.zbuffer import render_mesh

_SAMPLES = 2  # along each side of a pixel, for meshes


@dataclass(frozen=True)
class Placement:
    """Where a picture goes in a photograph.

    inverse_depth: how near, in the numbers of the photograph's inverse depth map; `inverse_at_metres` and
    `inverse_at_share` give it. centre_px: (x, y) of its middle. scale: pixels of the photograph for each of its own.
    """

    inverse_depth: float
    centre_px: tuple[float, float]
    scale: float = 1.0


def with_picture(
    image: UInt8[np.ndarray, "h w 3"],
    depth_map: DepthMap,
    picture: UInt8[np.ndarray, "_ _ 4"],
    placement: Placement,
) -> UInt8[np.ndarray, "h w 3"]:
    """The photograph with an RGBA picture that stands in it, facing the viewer, at one depth.

    Mixed in light; edges are soft, those of the picture and those of what stands before it.
    Raises ConventionError for sizes that differ or affine-invariant depth, ValueError for a scale not above 0.
    """
    _check_size(image, depth_map)
    light, opacity = _placed(picture, placement, depth_map.shape)
    before = np.full(depth_map.shape, placement.inverse_depth, np.float32)
    return _over(image, light, opacity * _share_before(before, whole_inverse(depth_map)))


def with_mesh(
    image: UInt8[np.ndarray, "h w 3"], depth_map: DepthMap, mesh: Mesh, camera: Camera
) -> UInt8[np.ndarray, "h w 3"]:
    """The photograph with a mesh in the place where its vertices say it is, seen by the photograph's camera.

    Each pixel shows whichever is nearer, mixed at edges. Raises ConventionError for a map without metres, sizes
    that differ, or a mesh without colours.
    """
    _check_size(image, depth_map)
    check_metric(depth_map)
    height, width = depth_map.shape
    if camera.shape != depth_map.shape:
        raise ConventionError(f"the camera's picture is {camera.shape}, the photograph {depth_map.shape}")
    drawn, drawing = render_mesh(mesh, camera.resize((_SAMPLES * height, _SAMPLES * width)))
    covered = np.isfinite(drawing.depth).astype(np.float32)
    with np.errstate(divide="ignore"):
        inverse = 1 / drawing.depth
    planes = np.dstack([to_light(drawn) * covered[..., None], covered, inverse * covered])
    planes = cv2.resize(planes, (width, height), interpolation=cv2.INTER_AREA)
    light, opacity = planes[..., :3], planes[..., 3]
    before = planes[..., 4] / np.maximum(opacity, np.float32(1e-6))
    # around the mesh as near as its edge, so that the edge is not taken for a change of order
    before = np.where(opacity > 0, before, cv2.dilate(before, np.ones((3, 3), np.uint8)))
    shown = _share_before(before, whole_inverse(depth_map))
    return _over(image, light / np.maximum(opacity, np.float32(1e-6))[..., None], opacity * shown)


def stood_at(
    mesh: Mesh, camera: Camera, centre_px: tuple[float, float], depth_m: float, scale: float
) -> Mesh:
    """The mesh, `scale` times as large, with the middle of its box where the camera sees `centre_px` at a depth."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    place = camera.unproject(np.array([centre_px], float), np.array([depth_m]))[0]
    vertices = (mesh.vertices - (low + high) / 2) * np.float32(scale) + place.astype(np.float32)
    return replace(mesh, vertices=vertices)


def _check_size(image: UInt8[np.ndarray, "h w 3"], depth_map: DepthMap) -> None:
    if image.shape[:2] != depth_map.shape:
        raise ConventionError(f"the photograph is {image.shape[:2]}, its depth map {depth_map.shape}")


def _placed(
    picture: UInt8[np.ndarray, "_ _ 4"], placement: Placement, shape: tuple[int, int]
) -> tuple[Float32[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
    """The light of the picture where it stands in the photograph, and its opacity, 0 around it."""
    if not placement.scale > 0:
        raise ValueError(f"a picture's scale must be above 0, not {placement.scale:g}")
    opacity = picture[..., 3:].astype(np.float32) / 255
    planes: np.ndarray = np.dstack([to_light(picture[..., :3]) * opacity, opacity])
    height, width = planes.shape[:2]
    size = max(1, round(width * placement.scale)), max(1, round(height * placement.scale))
    if placement.scale < 1:
        planes = cv2.resize(planes, size, interpolation=cv2.INTER_AREA)
    stretch_x = placement.scale * width / planes.shape[1]
    stretch_y = placement.scale * height / planes.shape[0]
    left = placement.centre_px[0] - placement.scale * width / 2
    top = placement.centre_px[1] - placement.scale * height / 2
    # OpenCV puts the centres of pixels at whole numbers
    to_photo = np.array(
        [[stretch_x, 0, left + stretch_x / 2 - 0.5], [0, stretch_y, top + stretch_y / 2 - 0.5]], np.float64
    )
    placed = cv2.warpAffine(planes, to_photo, shape[::-1], flags=cv2.INTER_LINEAR)
    cover = placed[..., 3]
    return placed[..., :3] / np.maximum(cover, np.float32(1e-6))[..., None], cover


def _share_before(
    inverse: Float32[np.ndarray, "h w"], photo: Float32[np.ndarray, "h w"]
) -> Float32[np.ndarray, "h w"]:
    """The z-buffer's test with soft edges: the share of each pixel in which `inverse` is nearer than the photograph.

    Where the order changes between a pixel and its neighbours, the line on which both are equally near goes through
    it or beside it, so far from its centre as the steps to the neighbours tell.
    """
    ahead = inverse - photo
    square = np.ones((3, 3), np.uint8)
    lowest, highest = cv2.erode(ahead, square), cv2.dilate(ahead, square)
    step = np.maximum(np.maximum(highest - ahead, ahead - lowest), np.float32(1e-30))
    crossed = np.clip(ahead / step + np.float32(0.5), 0, 1)
    return np.where(highest <= 0, np.float32(0), np.where(lowest > 0, np.float32(1), crossed))


def _over(
    image: UInt8[np.ndarray, "h w 3"], light: Float32[np.ndarray, "h w 3"], opacity: Float[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """What is laid over, mixed in light; where nothing is, the photograph's numbers as they are."""
    result = image.copy()
    seen = opacity > 0
    below = to_light(image[seen])
    result[seen] = to_srgb(below + (light[seen] - below) * opacity[seen][:, None])
    return result
