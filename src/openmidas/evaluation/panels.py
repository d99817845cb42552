"""Maps in colours with a bar that says what the colours mean, and panels side by side under their titles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from openmidas.files.heatmap import INVALID_RGB

_Picture = UInt8[np.ndarray, "_ _ 3"]
_Point = tuple[float, float]

_PAPER = (255, 255, 255)
_INK = (32, 36, 42)
_TEXT_PX = 18
_GAP_PX = 14
_TITLE_PX = 30
_BAR_PX = 18
_TICKS = 5

# nine of the colours of matplotlib's maps inferno, viridis and RdBu
INFERNO = (
    (0, 0, 4),
    (33, 12, 74),
    (87, 16, 110),
    (138, 34, 106),
    (188, 55, 84),
    (228, 90, 49),
    (249, 142, 9),
    (249, 203, 53),
    (252, 255, 164),
)
"""Of depth, near is bright: as in heatmaps."""

ONE_SIDED = (
    (68, 1, 84),
    (71, 45, 123),
    (59, 82, 139),
    (44, 114, 142),
    (33, 145, 140),
    (40, 174, 128),
    (94, 201, 98),
    (173, 220, 48),
    (253, 231, 37),
)
"""Dark where there is little, bright where there is much."""

TWO_SIDED = (
    (5, 48, 97),
    (42, 113, 178),
    (107, 172, 209),
    (194, 221, 236),
    (247, 246, 246),
    (251, 204, 180),
    (228, 128, 102),
    (186, 40, 50),
    (103, 0, 31),
)
"""Blue below the middle, red above it, hardly any colour in between."""


@dataclass(frozen=True)
class Scale:
    """Colours, evenly spaced from low to high, and how a number of it is written.

    Numbers outside get the colours of the ends, which `label` may say, in ASCII: the font has little else.
    """

    low: float
    high: float
    colours: tuple[tuple[int, int, int], ...]
    label: Callable[[float], str]

    def paint(self, values: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
        """RGB of every value; the slate gray of heatmaps where it is not a number."""
        share = np.clip((values.astype(np.float64) - self.low) / (self.high - self.low), 0, 1)
        position = np.nan_to_num(share) * (len(self.colours) - 1)
        stops = np.arange(len(self.colours))
        channels = [np.interp(position, stops, channel) for channel in zip(*self.colours, strict=True)]
        painted = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
        painted[np.isnan(values)] = INVALID_RGB
        return painted

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """Where on the scale, from 0 to 1, stands which label."""
        values = np.linspace(self.low, self.high, count)
        return [(n / (count - 1), self.label(float(value))) for n, value in enumerate(values)]


@dataclass(frozen=True, eq=False)
class Panel:
    """A picture with its title, and with a bar of colours beside it where its colours are numbers."""

    title: str
    pixels: UInt8[np.ndarray, "_ _ 3"]
    scale: Scale | None = None


def side_by_side(panels: Sequence[Panel], height_px: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """One picture of all panels, each brought to the height, on white."""
    drawn = [_drawn(panel, height_px) for panel in panels]
    gap = np.full((drawn[0].shape[0], _GAP_PX, 3), _PAPER, np.uint8)
    row = [part for panel in drawn for part in (gap, panel)]
    return np.concatenate([*row, gap], axis=1)


def fitted_to_height(pixels: _Picture, height_px: int) -> _Picture:
    """The picture at that height, smaller by area or larger by bicubic interpolation."""
    import cv2

    height, width = pixels.shape[:2]
    method = cv2.INTER_AREA if height > height_px else cv2.INTER_CUBIC
    return cv2.resize(pixels, (max(1, round(width * height_px / height)), height_px), interpolation=method)


def _drawn(panel: Panel, height_px: int) -> _Picture:
    pixels = fitted_to_height(panel.pixels, height_px)
    parts = [pixels] if panel.scale is None else [pixels, _bar(panel.scale, height_px)]
    body = np.concatenate(parts, axis=1)
    width = max(body.shape[1], _text_width(panel.title))
    paper = np.full((_TITLE_PX + height_px + _GAP_PX, width, 3), _PAPER, np.uint8)
    paper[_TITLE_PX : _TITLE_PX + height_px, : body.shape[1]] = body
    return _with_texts(paper, [((0, _TITLE_PX / 2), panel.title)])


def _bar(scale: Scale, height_px: int) -> _Picture:
    """Upright, the highest number on top; its labels keep half a line away from the ends."""
    ticks = scale.ticks(_TICKS)
    left = _GAP_PX // 2 + _BAR_PX + 6
    width = left + max(_text_width(label) for _, label in ticks)
    paper = np.full((height_px, width, 3), _PAPER, np.uint8)
    numbers = np.linspace(scale.high, scale.low, height_px, dtype=np.float32)
    paper[:, _GAP_PX // 2 : _GAP_PX // 2 + _BAR_PX] = scale.paint(
        np.repeat(numbers[:, None], _BAR_PX, axis=1)
    )
    half = _TEXT_PX / 2
    places = [((left, half + (1 - at) * (height_px - 2 * half)), label) for at, label in ticks]
    return _with_texts(paper, places)


def _with_texts(paper: _Picture, texts: Sequence[tuple[_Point, str]]) -> _Picture:
    """Each text begins at its x and has its middle at its y."""
    from PIL import Image, ImageDraw, ImageFont

    canvas = Image.fromarray(paper)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(_TEXT_PX)
    for place, text in texts:
        draw.text(place, text, fill=_INK, font=font, anchor="lm")
    return np.array(canvas)


def _text_width(text: str) -> int:
    from PIL import ImageFont

    return int(np.ceil(ImageFont.load_default(_TEXT_PX).getlength(text)))
