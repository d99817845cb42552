"""The rules by which papers measure depth, as data.

A figure means something beside figures of the same protocol only: the same weights score δ<1.25 of 0.850 on KITTI by
one and 0.950 by another, for the crop, the caps, the fit and the pictures differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from openmidas.depth_map import ConventionError
from openmidas.training.datasets.layouts import LAYOUTS

Alignment = Literal["inverse_depth", "depth", "none"]
Metric = Literal[
    "WHDR",
    "ordinal error",
    "AbsRel",
    "SqRel",
    "RMSE",
    "RMSE log",
    "log10",
    "SILog",
    "% δ>1.25",
    "δ<1.25",
    "δ<1.25²",
    "δ<1.25³",
    "boundary precision",
    "boundary recall",
    "boundary F1",
    "edge accuracy",
    "edge completeness",
    "TAE",
]


@dataclass(frozen=True)
class Crop:
    """The part of a target that counts: rows and columns from the first to before the last.

    unit: pixels, or shares of the height and width, rounded down. within_px: (height, width) of the part at the
    bottom, in the middle, that the shares are of; None for the whole target.
    """

    rows: tuple[float, float]
    columns: tuple[float, float]
    unit: Literal["px", "share"] = "share"
    within_px: tuple[int, int] | None = None

    def window(self, shape: tuple[int, int]) -> tuple[int, int, int, int]:
        """(top, bottom, left, right) in a target of (height, width); ConventionError where it is not inside."""
        height, width = self.within_px or shape
        top, left = shape[0] - height, (shape[1] - width) // 2
        unit_rows, unit_columns = (1, 1) if self.unit == "px" else (height, width)
        rows = [top + int(row * unit_rows) for row in self.rows]
        columns = [left + int(column * unit_columns) for column in self.columns]
        if min(top, left) < 0 or rows[1] > shape[0] or columns[1] > shape[1]:
            raise ConventionError(f"the protocol's crop does not fit into a target of {shape[0]}×{shape[1]}")
        return rows[0], rows[1], columns[0], columns[1]


@dataclass(frozen=True)
class Rule:
    """How one set is measured.

    set_name: as papers write it. layout: the key of its reader in LAYOUTS. metrics: the headline first.
    alignment: what a scale and shift are fitted in, by least squares over the pixels that count; "none" where only
    the order of depths matters. fit: over one picture, or over all pictures of a group (a film).
    min_m, max_m: target pixels count where min_m < depth < max_m. cap_m: fitted depth is clamped to min_m ... cap_m;
    None clamps inverse depth from below at half the smallest of the target. crop: the part of a target that counts.
    averaging: the mean over pictures; or over pictures in each group and then over groups (kinect, kitti … of
    `measured`, the films of `video`). constant: what a prediction gets that is the same at every pixel that counts:
    no score, or that of the mean of what is fitted, which is its fit whatever the scale.
    """

    set_name: str
    layout: str
    metrics: tuple[Metric, ...]
    alignment: Alignment
    fit: Literal["picture", "group"] = "picture"
    min_m: float = 0.0
    max_m: float = math.inf
    cap_m: float | None = None
    crop: Crop | None = None
    averaging: Literal["pictures", "groups"] = "pictures"
    constant: Literal["fails", "mean"] = "fails"

    @property
    def pictures(self) -> int | None:
        """How many pictures the published figures stand on; None where that is not published."""
        return LAYOUTS[self.layout].pictures


@dataclass(frozen=True)
class Protocol:
    """The rules of one line of papers, by the short name of the set: `nyu`, `kitti` and so on.

    source: where they are written down. notes: what of the authors' way of measuring is not, or is not done here.
    """

    name: str
    title: str
    source: str
    rules: Mapping[str, Rule]
    notes: str = ""


# of a NYU picture, 480×640, without the frame where Kinect and camera do not overlap
_NYU_CROP = Crop((45, 471), (41, 601), "px")
_GARG_CROP = Crop((0.40810811, 0.99189189), (0.03594771, 0.96405229))
_EIGEN_CROP_OF_BENCHMARK = Crop((0.3324324, 0.91351351), (0.0359477, 0.96405229), within_px=(352, 1216))

_MIDAS = Protocol(
    "midas-2020",
    "MiDaS, DPT: zero-shot on six sets",
    "Ranftl et al., Towards Robust Monocular Depth Estimation, TPAMI 2022, section 6 and appendix; "
    "the authors' evaluation scripts for NYU and KITTI",
    MappingProxyType(
        {
            "diw": Rule("DIW", "diw", ("WHDR",), "none"),
            "eth3d": Rule("ETH3D", "eth3d", ("AbsRel",), "inverse_depth", cap_m=72),
            "sintel": Rule("Sintel", "sintel", ("AbsRel",), "inverse_depth", max_m=72, cap_m=72),
            "kitti": Rule("KITTI", "kitti", ("% δ>1.25",), "inverse_depth", cap_m=80),
            "nyu": Rule("NYU", "nyu", ("% δ>1.25",), "inverse_depth", max_m=10, cap_m=10),
            "tum": Rule("TUM", "tum", ("% δ>1.25",), "inverse_depth", cap_m=10),
        }
    ),
    "Scripts for DIW, ETH3D, Sintel and TUM were not published; 19 frames of Sintel have no depth below 72 m.",
)

_BOTH: tuple[Metric, ...] = ("AbsRel", "δ<1.25")

_DEPTH_ANYTHING = Protocol(
    "depth-anything",
    "Depth Anything: zero-shot, fitted in inverse depth",
    "Yang et al., Depth Anything, CVPR 2024, table 2; Depth Anything V2, NeurIPS 2024, table 2",
    MappingProxyType(
        {
            "kitti": Rule(
                "KITTI",
                "kitti_eigen",
                _BOTH,
                "inverse_depth",
                min_m=1e-3,
                max_m=80,
                cap_m=80,
                crop=_GARG_CROP,
            ),
            "nyu": Rule("NYU", "nyu", _BOTH, "inverse_depth", min_m=1e-3, max_m=10, cap_m=10, crop=_NYU_CROP),
            "sintel": Rule("Sintel", "sintel", _BOTH, "inverse_depth", max_m=72, cap_m=72),
            "eth3d": Rule("ETH3D", "eth3d", _BOTH, "inverse_depth", cap_m=72),
            "diode": Rule("DIODE", "diode_indoor", _BOTH, "inverse_depth", min_m=1e-3, max_m=10, cap_m=10),
        }
    ),
    "The authors published no script for these tables: crops and caps of KITTI, NYU and DIODE are those of their "
    "script for metric depth, of Sintel and ETH3D those of midas-2020. Asked, they said that they measure in "
    "inverse depth; here errors are of depth.",
)

_MARIGOLD = Protocol(
    "marigold",
    "Marigold: zero-shot, fitted in depth",
    "Ke et al., Repurposing Diffusion-Based Image Generators for Monocular Depth Estimation, CVPR 2024; "
    "the settings in the authors' code",
    MappingProxyType(
        {
            "nyu": Rule("NYU", "nyu", _BOTH, "depth", min_m=1e-3, max_m=10, cap_m=10, crop=_NYU_CROP),
            "kitti": Rule(
                "KITTI",
                "kitti_eigen",
                _BOTH,
                "depth",
                min_m=1e-5,
                max_m=80,
                cap_m=80,
                crop=_EIGEN_CROP_OF_BENCHMARK,
            ),
            "eth3d": Rule("ETH3D", "eth3d", _BOTH, "depth", min_m=1e-5, cap_m=math.inf),
            "diode": Rule("DIODE", "diode", _BOTH, "depth", min_m=0.6, max_m=350, cap_m=350),
        }
    ),
    "The authors cut KITTI pictures to 352×1216 before they predict; here the network sees the whole picture and the "
    "same pixels count. ScanNet is left out: its 800 frames are a list of the authors', not a rule.",
)

_VIDEO = Protocol(
    "video",
    "Video: one fit for a whole film",
    "Chen et al., Video Depth Anything, CVPR 2025, section 4",
    MappingProxyType(
        {
            "sintel": Rule(
                "Sintel",
                "sintel",
                (*_BOTH, "TAE"),
                "inverse_depth",
                fit="group",
                max_m=70,
                cap_m=70,
                averaging="groups",
            ),
        }
    ),
    "The paper gives the temporal alignment error (TAE) on ScanNet; here it is of Sintel, whose cameras are published.",
)

_MEASURED = Protocol(
    "measured",
    "One's own pictures with measured depth",
    "as midas-2020, for sets without an agreed cap",
    MappingProxyType({"measured": Rule("measured", "measured", _BOTH, "inverse_depth", averaging="groups")}),
)

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {protocol.name: protocol for protocol in (_MIDAS, _DEPTH_ANYTHING, _MARIGOLD, _VIDEO, _MEASURED)}
)
