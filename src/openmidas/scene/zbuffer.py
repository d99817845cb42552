"""Triangles and points through a camera into a picture, with a depth buffer that remembers what is nearest.

`render_…` are fast, and compiled at their first call (a few seconds; then kept on disk). `fragments` says the same
plainly; of its fragments, `draw` takes into a picture what passes the test of a depth buffer in any encoding.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64, Int32, Num, UInt8

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.encoding import Encoding
from openmidas.files.cores import usable_cores
from openmidas.mesh import Mesh
from openmidas.scene.fragments import Drawing, Fragments, check_drawable, first_of_each_pixel

__all__ = ["Drawing", "ZBuffer", "draw", "render_mesh", "render_points", "render_triangles"]


def render_triangles(
    vertices: Float32[np.ndarray, "n 3"],
    triangles: Int32[np.ndarray, "m 3"],
    attributes: Float32[np.ndarray, "n c"],
    camera: Camera,
    near_m: float = 0.01,
    culls_back: bool = False,
) -> Drawing:
    """The nearest triangle of every pixel, with attributes of its corners interpolated perspective-correctly.

    A pixel is a triangle's when its centre is inside, or on a top or left edge. Triangles are cut where they cross
    the near plane. culls_back: leave out those seen from behind, clockwise on the screen. Equally near: the lower
    index is seen. Triangles without area, or with a corner that is not finite, are not seen.
    Raises ConventionError for lengths that do not agree, and where Numba is not installed.
    """
    if not attributes.shape[1]:
        drawing = render_triangles(vertices, triangles, vertices[:, :1], camera, near_m, culls_back)
        return replace(drawing, attributes=drawing.attributes[..., :0])
    check_drawable(vertices, attributes, camera, near_m)
    _check_numba()
    from openmidas.scene.rasterise import triangles_drawn

    arrays = _in_one_piece(vertices), _in_one_piece(triangles, np.int32), _in_one_piece(attributes)
    return triangles_drawn(*arrays, camera, near_m, culls_back, usable_cores())


def render_points(
    points: Float32[np.ndarray, "n 3"],
    attributes: Float32[np.ndarray, "n c"],
    camera: Camera,
    radius_px: float = 0.5,
    near_m: float = 0.01,
    is_disc: bool = False,
) -> Drawing:
    """The nearest point of every pixel whose centre is in the point's square of side 2·radius_px, or in its disc.

    Squares of radius 0.5 have one pixel each, the one they are in. Ties and errors as in `render_triangles`.
    """
    check_drawable(points, attributes, camera, near_m)
    _check_numba()
    from openmidas.scene.rasterise import points_drawn

    arrays = _in_one_piece(points), _in_one_piece(attributes)
    return points_drawn(*arrays, camera, near_m, radius_px, is_disc, usable_cores())


def render_mesh(
    mesh: Mesh, camera: Camera, near_m: float = 0.01, culls_back: bool = False
) -> tuple[UInt8[np.ndarray, "h w 3"], Drawing]:
    """sRGB picture of a mesh by its texture (bilinear) or colours, black where nothing is, and the drawing.

    The drawing's attributes are uv, or colours from 0 to 255. Raises ConventionError for a mesh without either.
    """
    if mesh.uv is not None and mesh.texture is not None:
        drawing = render_triangles(mesh.vertices, mesh.triangles, mesh.uv, camera, near_m, culls_back)
        return _sampled(mesh.texture, drawing), drawing
    if mesh.colours is None:
        raise ConventionError("a mesh needs a texture or colours to be drawn in")
    colours = mesh.colours.astype(np.float32)
    drawing = render_triangles(mesh.vertices, mesh.triangles, colours, camera, near_m, culls_back)
    return np.rint(drawing.attributes).astype(np.uint8), drawing


@dataclass(frozen=True, eq=False)
class ZBuffer:
    """Depth as numbers of an encoding. A frame may find what the one before left, even in another encoding."""

    codes: Num[np.ndarray, "h w"]
    encoding: Encoding

    @classmethod
    def cleared(cls, shape: tuple[int, int], encoding: Encoding) -> ZBuffer:
        """Infinitely far everywhere, which between planes is the far plane."""
        return cls(np.broadcast_to(_codes(encoding, np.full(1, np.inf, np.float32)), shape), encoding)


def draw(
    fragments: Fragments, zbuffer: ZBuffer, picture: Float32[np.ndarray, "h w c"]
) -> tuple[ZBuffer, Float32[np.ndarray, "h w c"]]:
    """The buffer and the picture after the fragments that are at least as near as what the buffer holds.

    Nearer is what the encoding's numbers say: the test is less-or-equal where near is low (OpenGL), greater-or-equal
    where near is high (reversed-Z). Of fragments with equal numbers the lowest index is drawn. What is beyond a plane
    has the plane's number; what the encoding has no number for is not drawn.
    Raises ConventionError for an encoding that cannot hold metric depth, or not this one.
    """
    codes, encoding = zbuffer.codes.copy(), zbuffer.encoding
    seen = picture.copy()
    if len(fragments.pixel):
        new = _codes(encoding, fragments.depth)
        farness = _farness(encoding, new)
        order = first_of_each_pixel(fragments.pixel, farness, fragments.index)
        order = order[farness[order] <= _farness(encoding, codes.ravel()[fragments.pixel[order]])]
        if encoding.invalid is not None:
            order = order[new[order] != encoding.invalid]
        codes.ravel()[fragments.pixel[order]] = new[order]
        seen.reshape(-1, seen.shape[2])[fragments.pixel[order]] = fragments.attributes[order]
    return replace(zbuffer, codes=codes), seen


def _codes(encoding: Encoding, depth: Float32[np.ndarray, " f"]) -> Num[np.ndarray, " f"]:
    return encoding.encode(DepthMap.from_values(depth[None], "depth", "metric"))[0]


def _farness(encoding: Encoding, codes: Num[np.ndarray, " f"]) -> Float64[np.ndarray, " f"]:
    """Numbers that grow with the distance, infinite where nothing is."""
    farness = -codes.astype(np.float64) if encoding.near_is_high else codes.astype(np.float64)
    if encoding.invalid is not None:
        farness[codes == encoding.invalid] = np.inf
    return farness


def _check_numba() -> None:
    if importlib.util.find_spec("numba") is None:
        raise ConventionError("drawing needs an optional library: pip install 'openmidas[scene]'")


def _in_one_piece(array: np.ndarray, dtype: type[np.generic] = np.float32) -> np.ndarray:
    """Row by row in memory and of this type, for which the loops are compiled."""
    return np.ascontiguousarray(array, dtype)


def _sampled(texture: UInt8[np.ndarray, "h w 3"], drawing: Drawing) -> UInt8[np.ndarray, "h w 3"]:
    """The texture at the drawing's uv, its border repeated outwards; black where nothing is."""
    import cv2

    height, width = texture.shape[:2]
    x, y = (
        drawing.attributes[..., axis] * np.float32(length) - np.float32(0.5)
        for axis, length in enumerate((width, height))
    )
    picture = cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    picture[drawing.index < 0] = 0
    return np.asarray(picture, np.uint8)
