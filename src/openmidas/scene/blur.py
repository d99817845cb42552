"""Blur by depth, as a lens of finite aperture has it: sharp at one distance, discs of light elsewhere.

The picture is taken apart into layers of growing radius, whose discs are laid one before the other: behind the focus
the sharper layer is in front, so that nothing sharp bleeds into the background; before it, layers spread over what lies
behind, which is first filled in from around them: a blurred edge is seen through.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.files.cores import usable_cores
from openmidas.scene.light import to_light, to_srgb
from openmidas.scene.nearness import grown_over_mixed_pixels, whole_inverse

_BAND_ROWS = 256
_FULL_SIZE_RADIUS_PX = 4.0  # larger discs are drawn in a smaller picture
_SAME_SURFACE_PX = 1.0  # neighbours whose discs differ by more are two surfaces
_LEAST = 1e-3
_FARTHER = 4.0  # times as much does the next farther layer count for what is hidden

_Plane = Float32[np.ndarray, "h w"]
_Light = Float32[np.ndarray, "h w 3"]


def blurred_by_depth(
    image: UInt8[np.ndarray, "h w 3"], depth_map: DepthMap, sharp_at: float, blur_px: float
) -> UInt8[np.ndarray, "h w 3"]:
    """The picture in focus where its inverse depth is `sharp_at`, computed in light.

    The disc of a thin lens grows linearly with the distance in inverse depth, so that a map of any ambiguity will do:
    `inverse_at_metres` and `inverse_at_share` give `sharp_at`. blur_px: the radius where the picture is blurred most.
    Raises ConventionError for sizes that differ or affine-invariant depth, ValueError for a radius below 0.
    """
    if image.shape[:2] != depth_map.shape:
        raise ConventionError(f"the picture is {image.shape[:2]}, its depth map {depth_map.shape}")
    if not 0 <= blur_px < math.inf:
        raise ValueError(f"a radius of blur is 0 pixels or more, not {blur_px:g}")
    before = whole_inverse(depth_map) - np.float32(sharp_at)
    largest = float(np.abs(before).max())
    if largest == 0 or blur_px == 0:
        return image.copy()
    radius = grown_over_mixed_pixels(before * np.float32(blur_px / largest), _SAME_SURFACE_PX)
    result = np.empty_like(image)
    margin = 2 * math.ceil(blur_px) + 8
    rows = max(_BAND_ROWS, 4 * margin)

    def draw(top: int) -> None:
        first = max(0, top - margin)
        band = np.s_[first : top + rows + margin]
        drawn = to_srgb(_blurred(to_light(image[band]), radius[band], blur_px))
        result[top : top + rows] = drawn[top - first :][:rows]

    with ThreadPoolExecutor(usable_cores()) as pool:
        list(pool.map(draw, range(0, len(image), rows)))
    return result


def _blurred(light: _Light, radius: _Plane, blur_px: float) -> _Light:
    """radius: in pixels, above 0 before the focus, below 0 behind it."""
    radii = _radii(blur_px)
    behind = _from_focus_back(light, -radius, radii)
    if not (radius > radii[0] / 2).any():
        return behind
    cover, spread = np.zeros_like(radius), np.zeros_like(light)
    for part, colours in _layers(light, radius, radii):
        cover += part
        spread += colours
    behind = _continued(behind, radius >= radii[0])
    behind *= np.maximum(1 - cover, 0)[..., None]
    spread /= np.maximum(cover, 1)[..., None]
    return np.add(behind, spread, out=behind)


def _radii(blur_px: float) -> list[float]:
    """1, 2, 4, … and the largest."""
    powers = [2.0**n for n in range(max(0, math.ceil(math.log2(blur_px))))]
    return [*powers, blur_px]


def _from_focus_back(light: _Light, radius: _Plane, radii: list[float]) -> _Light:
    """Sharp and ever more blurred layers, each seen as far as those before it leave room."""
    sharp = np.clip(1 - radius / np.float32(radii[0]), 0, 1)
    cover, result = sharp.copy(), light * sharp[..., None]
    far_cover, far = np.zeros_like(radius), np.zeros_like(light)
    for number, (part, colours) in enumerate(_layers(light, radius, radii)):
        room = np.minimum(1, (1 - cover) / np.maximum(part, np.float32(_LEAST)))
        result += colours * room[..., None]
        cover += part * room
        far_cover += part * _FARTHER**number
        far += colours * _FARTHER**number
    # beside what is sharper, the discs of the background lack the part that is hidden there: it is like the rest
    lacking = np.maximum(1 - cover, 0) / np.maximum(far_cover, np.float32(_LEAST))
    return np.add(result, far * lacking[..., None], out=result)


def _layers(light: _Light, radius: _Plane, radii: list[float]) -> Iterator[tuple[_Plane, _Light]]:
    """For each of the radii, how much of each pixel its discs cover, and their light; pixels lie between two radii."""
    before = [0.0, *radii[:-1]]
    steps = [
        np.clip((radius - low) / np.float32(high - low), 0, 1)
        for low, high in zip(before, radii, strict=True)
    ]
    for r, step, following in zip(radii, steps, [*steps[1:], np.zeros_like(radius)], strict=True):
        if not step.any():
            return
        layer = step - following
        if layer.any():
            yield _discs(light, layer, r)


def _discs(light: _Light, weight: _Plane, radius_px: float) -> tuple[_Plane, _Light]:
    """Weights, and light times weights, averaged over discs."""
    shrink = 2 ** max(0, math.floor(math.log2(radius_px / _FULL_SIZE_RADIUS_PX)))
    height, width = weight.shape
    planes = np.dstack([light * weight[..., None], weight])
    if shrink > 1:
        size = max(1, round(width / shrink)), max(1, round(height / shrink))
        planes = cv2.resize(planes, size, interpolation=cv2.INTER_AREA)
    planes = cv2.filter2D(planes, -1, _disc(radius_px / shrink), borderType=cv2.BORDER_REPLICATE)
    if shrink > 1:
        planes = cv2.resize(planes, (width, height), interpolation=cv2.INTER_LINEAR)
    return planes[..., 3], planes[..., :3]


def _disc(radius_px: float) -> Float32[np.ndarray, "n n"]:
    """A disc with a soft rim, its sum 1."""
    reach = math.ceil(radius_px)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius_px + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return disc / disc.sum()


def _continued(light: _Light, unknown: Bool[np.ndarray, "h w"]) -> _Light:
    """The light with what is unknown filled smoothly from around it."""
    known = (~unknown).astype(np.float32)
    filled = _pulled(np.dstack([light * known[..., None], known]))
    return np.where(unknown[..., None], filled[..., :3], light)


def _pulled(planes: Float32[np.ndarray, "h w 4"]) -> Float32[np.ndarray, "h w 4"]:
    """Push-pull (Gortler et al., The Lumigraph, SIGGRAPH 1996): weighted colours, the missing weight from a
    picture of half the size."""
    height, width = planes.shape[:2]
    if min(height, width) < 2 or planes[..., 3].all():
        return planes / np.maximum(planes[..., 3:], np.float32(1e-9))
    small = cv2.resize(planes, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
    weight = small[..., 3:]
    small = small * (np.minimum(1, 4 * weight) / np.maximum(weight, np.float32(1e-9)))
    coarse = cv2.resize(_pulled(small), (width, height), interpolation=cv2.INTER_LINEAR)
    return planes + (1 - planes[..., 3:]) * coarse
