"""Two views for two eyes from one picture and its depth, and the ways to show them.

What is nearer than the screen plane stands to the right in the left eye's view and to the left in the right eye's;
what is farther, the other way round. Half of the distance between the two is moved in each view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.scene.light import to_light, to_srgb
from openmidas.scene.nearness import shares
from openmidas.scene.shift import shifted

Rgb = UInt8[np.ndarray, "_ _ 3"]


@dataclass(frozen=True, eq=False)
class StereoScene:
    """A picture with its depth and how deep it is to look.

    divergence_percent: how far apart, in percent of the width, the two views show the nearest pixel when the
    farthest is in the same place; all pixels together never need more. 0 is flat.
    convergence: the share of nearness, from 0 at the farthest pixel to 1 at the nearest and linear in inverse
    depth, that lies on the screen: at 1 the scene is behind the screen, at 0 in front of it.
    depth_map: of any ambiguity, as shares of nearness are the same for all.
    Raises ConventionError for sizes that differ, and ValueError for numbers that make no stereo.
    """

    image: UInt8[np.ndarray, "h w 3"]
    depth_map: DepthMap
    divergence_percent: float = 2.5
    convergence: float = 0.5

    def __post_init__(self) -> None:
        if self.image.shape[:2] != self.depth_map.shape:
            raise ConventionError(
                f"the picture is {self.image.shape[:2]}, its depth map {self.depth_map.shape}"
            )
        if not 0 <= self.divergence_percent <= 20:
            raise ValueError(
                f"divergence is from 0 to 20 percent of the width, not {self.divergence_percent:g}"
            )
        if not 0 <= self.convergence <= 1:
            raise ValueError(f"convergence is a share of nearness from 0 to 1, not {self.convergence:g}")


Layout = Callable[[StereoScene], Rgb]


def left_view(scene: StereoScene) -> UInt8[np.ndarray, "h w 3"]:
    """What the left eye sees."""
    return shifted(scene.image, _half_parallax_px(scene))


def right_view(scene: StereoScene) -> UInt8[np.ndarray, "h w 3"]:
    """What the right eye sees: the mirror image of what the left one sees in a mirror."""
    mirrored = np.ascontiguousarray(scene.image[:, ::-1])
    return np.ascontiguousarray(shifted(mirrored, _half_parallax_px(scene)[:, ::-1])[:, ::-1])


def _half_parallax_px(scene: StereoScene) -> Float[np.ndarray, "h w"]:
    """How far each eye's view is moved, towards the other eye's side for what is nearer than the screen."""
    half_px = scene.divergence_percent / 100 * scene.image.shape[1] / 2
    share = shares(scene.depth_map)
    return ((share - np.float32(scene.convergence)) * np.float32(half_px)).astype(np.float32)


def to_rgbd(image: UInt8[np.ndarray, "h w 3"], depth_map: DepthMap) -> Rgb:
    """The picture and to its right its depth in gray, near white, for displays that make views by themselves."""
    gray = np.rint(shares(depth_map) * 255).astype(np.uint8)
    return np.hstack([image, np.repeat(gray[..., None], 3, axis=2)])


# ------------------------------------------------------------------------------------- two views in one picture


def side_by_side(left: Rgb, right: Rgb) -> Rgb:
    """The left view on the left, twice as wide."""
    return np.hstack([left, right])


def side_by_side_half(left: Rgb, right: Rgb) -> Rgb:
    """The left view on the left, both squeezed into the width of one."""
    width = left.shape[1]
    return np.hstack([_resized(left, width=(width + 1) // 2), _resized(right, width=width // 2)])


def top_bottom(left: Rgb, right: Rgb) -> Rgb:
    """The left view above, twice as high."""
    return np.vstack([left, right])


def top_bottom_half(left: Rgb, right: Rgb) -> Rgb:
    """The left view above, both squeezed into the height of one."""
    height = left.shape[0]
    return np.vstack([_resized(left, height=(height + 1) // 2), _resized(right, height=height // 2)])


def cross_eyed(left: Rgb, right: Rgb) -> Rgb:
    """The right view on the left, for those who squint."""
    return np.hstack([right, left])


def gray_anaglyph(left: Rgb, right: Rgb) -> Rgb:
    """For red-cyan glasses: brightness alone, no colours that one eye misses."""
    return _mixed(_LUMA_TO_RED, _LUMA_TO_CYAN, left, right)


def colour_anaglyph(left: Rgb, right: Rgb) -> Rgb:
    """For red-cyan glasses: red of the left view, green and blue of the right one."""
    return np.dstack([left[..., 0], right[..., 1:]])


def half_colour_anaglyph(left: Rgb, right: Rgb) -> Rgb:
    """For red-cyan glasses: brightness of the left view in red, green and blue of the right one."""
    return _mixed(_LUMA_TO_RED, _CYAN, left, right)


def dubois_anaglyph(left: Rgb, right: Rgb) -> Rgb:
    """For red-cyan glasses: the colours that look, through the filters, most like both views.

    Dubois, A projection method to generate anaglyph stereo images (ICASSP 2001): least squares over the spectra of
    filters and screen. Spectra add as light, so the matrices are applied to light, not to sRGB numbers.
    """
    return _mixed(_DUBOIS_LEFT, _DUBOIS_RIGHT, left, right)


def _mixed(
    for_left: Float[np.ndarray, "3 3"], for_right: Float[np.ndarray, "3 3"], left: Rgb, right: Rgb
) -> Rgb:
    import cv2

    return to_srgb(cv2.transform(to_light(left), for_left) + cv2.transform(to_light(right), for_right))


def _resized(image: Rgb, height: int | None = None, width: int | None = None) -> Rgb:
    import cv2

    size = width or image.shape[1], height or image.shape[0]
    return cv2.resize(image, (max(1, size[0]), max(1, size[1])), interpolation=cv2.INTER_AREA)


_LUMA = [0.2126, 0.7152, 0.0722]  # ITU-R BT.709, of light
_NONE = [0.0, 0.0, 0.0]
_LUMA_TO_RED = np.array([_LUMA, _NONE, _NONE])
_LUMA_TO_CYAN = np.array([_NONE, _LUMA, _LUMA])
_CYAN = np.diag([0.0, 1.0, 1.0])
_DUBOIS_LEFT = np.array(
    [
        [0.4561, 0.500484, 0.176381],
        [-0.0400822, -0.0378246, -0.0157589],
        [-0.0152161, -0.0205971, -0.00546856],
    ]
)
_DUBOIS_RIGHT = np.array(
    [
        [-0.0434706, -0.0879388, -0.00155529],
        [0.378476, 0.73364, -0.0184503],
        [-0.0721527, -0.112961, 1.2264],
    ]
)


def _of_views(arrange: Callable[[Rgb, Rgb], Rgb]) -> Layout:
    return lambda scene: arrange(left_view(scene), right_view(scene))


LAYOUTS: Mapping[str, Layout] = {
    "side-by-side": _of_views(side_by_side),
    "side-by-side-half": _of_views(side_by_side_half),
    "top-bottom": _of_views(top_bottom),
    "top-bottom-half": _of_views(top_bottom_half),
    "cross-eyed": _of_views(cross_eyed),
    "anaglyph": _of_views(dubois_anaglyph),
    "anaglyph-gray": _of_views(gray_anaglyph),
    "anaglyph-colour": _of_views(colour_anaglyph),
    "anaglyph-half-colour": _of_views(half_colour_anaglyph),
    "left": left_view,
    "right": right_view,
    "rgbd": lambda scene: to_rgbd(scene.image, scene.depth_map),
}
"""What a stereo scene can become, by name."""
