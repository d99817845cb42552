"""sRGB numbers to light and back: mixing, blurring and shading are right in light, not in sRGB's curve."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, UInt8

_STEPS = 65535  # the darkest sRGB numbers are 20 of these apart


def to_light(srgb: UInt8[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Light from 0 to 1 (IEC 61966-2-1)."""
    return np.take(_LIGHT, srgb)


def to_srgb(light: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """The nearest sRGB numbers; less than no light is black, more than 1 is white. Inverse of `to_light`."""
    steps = light * np.float32(_STEPS)
    steps += np.float32(0.5)
    return np.take(_SRGB, np.clip(steps, 0, _STEPS, out=steps).astype(np.uint16))


def _light_of(srgb: np.ndarray) -> Float32[np.ndarray, " n"]:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _srgb_of(light: np.ndarray) -> UInt8[np.ndarray, " n"]:
    srgb = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * srgb).astype(np.uint8)


_LIGHT = _light_of(np.arange(256) / 255)
_SRGB = _srgb_of(np.arange(_STEPS + 1) / _STEPS)
