"""What the authors of the published networks say of them: size, cost, zero-shot errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openmidas.evaluation.protocols import Metric

# The sets of the zero-shot protocol and what is measured on each; lower is better throughout.
METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "DIW": "WHDR",
        "ETH3D": "AbsRel",
        "Sintel": "AbsRel",
        "TUM": "% δ>1.25",
        "KITTI": "% δ>1.25",
        "NYU": "% δ>1.25",
    }
)


@dataclass(frozen=True)
class Network:
    """Its parameters, and the multiply-adds of one picture of side_px × side_px (None: not published).

    square: it takes square pictures only.
    """

    parameters: int
    gmac: float | None
    side_px: int | None
    square: bool = False


NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        "midas_v21_384": Network(105_362_945, 103.4, 384),
        "midas_v21_small_256": Network(21_320_545, 4.60, 256),
        "dpt_large_384": Network(344_055_465, 258.2, 384),
        "dpt_hybrid_384": Network(123_146_985, 127.6, 384),
        "dpt_beit_large_512": Network(345_014_441, 481.3, 512),
        "dpt_beit_large_384": Network(344_338_601, 258.2, 384),
        "dpt_beit_base_384": Network(111_531_689, 111.8, 384),
        "dpt_swin2_large_384": Network(213_411_869, 171.9, 384, square=True),
        "dpt_swin2_base_384": Network(102_378_913, 108.5, 384, square=True),
        "dpt_swin2_tiny_256": Network(41_701_331, 29.8, 256, square=True),
        "dpt_swin_large_384": Network(213_407_453, 159.8, 384, square=True),
        "dpt_next_vit_large_384": Network(72_260_713, 84.6, 384),
        "dpt_levit_224": Network(50_630_837, 4.08, 224, square=True),
        # dpt_hybrid_384, trained further
        "dpt_hybrid_kitti": Network(123_146_985, None, None),
        "dpt_hybrid_nyu": Network(123_146_985, None, None),
        # the encoder of the first version, by Xian et al.
        "midas_resnet50": Network(42_128_641, 67.2, 384),
    }
)


@dataclass(frozen=True)
class PublishedScores:
    """Errors of a network at one input height, by set as in METRICS; square: pictures squeezed to a square.

    trained_on: sets whose pictures it was trained on, so that these errors are not zero-shot.
    frames_per_s: on an NVIDIA RTX 3090.
    """

    name: str
    height_px: int
    square: bool
    errors: Mapping[str, float]
    trained_on: tuple[str, ...]
    frames_per_s: float


def _row(
    name: str, height_px: int, square: bool, errors: Sequence[float], trained_on: tuple[str, ...], fps: float
) -> PublishedScores:
    by_set = MappingProxyType(dict(zip(METRICS, errors, strict=True)))
    return PublishedScores(name, height_px, square, by_set, trained_on, fps)


_BOTH = ("KITTI", "NYU")

# Source: the README of MiDaS 3.1; the best first, as there.
PUBLISHED_SCORES: Sequence[PublishedScores] = (
    _row("dpt_beit_large_512", 512, False, (0.1137, 0.0659, 0.2366, 6.13, 11.56, 1.86), _BOTH, 5.7),
    _row("dpt_beit_large_512", 512, True, (0.1121, 0.0614, 0.2090, 6.46, 5.00, 1.90), _BOTH, 5.7),
    _row("dpt_beit_large_512", 384, False, (0.1245, 0.0681, 0.2176, 6.13, 6.28, 2.16), _BOTH, 12),
    _row("dpt_swin2_large_384", 384, True, (0.1106, 0.0732, 0.2442, 8.87, 5.84, 2.92), _BOTH, 41),
    _row("dpt_swin2_base_384", 384, True, (0.1095, 0.0790, 0.2404, 8.93, 5.97, 3.28), _BOTH, 39),
    _row("dpt_swin_large_384", 384, True, (0.1126, 0.0853, 0.2428, 8.74, 6.60, 3.34), _BOTH, 49),
    _row("dpt_beit_large_384", 384, False, (0.1239, 0.0667, 0.2545, 7.17, 9.84, 2.21), _BOTH, 13),
    _row("dpt_next_vit_large_384", 384, False, (0.1031, 0.0954, 0.2295, 9.21, 6.89, 3.47), _BOTH, 30),
    _row("dpt_beit_base_384", 384, False, (0.1159, 0.0967, 0.2901, 9.88, 26.60, 3.91), _BOTH, 31),
    _row("dpt_large_384", 384, False, (0.1082, 0.0888, 0.2697, 9.97, 8.46, 8.32), (), 61),
    _row("dpt_hybrid_384", 384, False, (0.1106, 0.0934, 0.2741, 10.89, 11.56, 8.69), (), 50),
    _row("midas_v21_384", 384, False, (0.1295, 0.1155, 0.3285, 12.51, 16.08, 8.71), (), 47),
    _row("dpt_swin2_tiny_256", 256, True, (0.1211, 0.1106, 0.2868, 13.43, 10.13, 5.55), _BOTH, 64),
    _row("midas_v21_small_256", 256, False, (0.1344, 0.1344, 0.3370, 14.53, 29.27, 13.43), (), 90),
    _row("dpt_levit_224", 224, True, (0.1314, 0.1206, 0.3148, 18.21, 15.27, 8.64), _BOTH, 73),
)


def published_scores(name: str) -> PublishedScores | None:
    """The scores of a network at its own input size; None where there are none."""
    return next((scores for scores in PUBLISHED_SCORES if scores.name == name), None)


@dataclass(frozen=True)
class PublishedRow:
    """A network's published figures in one protocol: by set as papers write it, then by metric.

    trained_on: sets whose pictures it was trained on, so that these figures are not zero-shot.
    """

    name: str
    figures: Mapping[str, Mapping[str, float]]
    trained_on: tuple[str, ...]


@dataclass(frozen=True)
class PublishedTable:
    """A protocol's figures of networks at their own input size, and where they were published."""

    source: str
    rows: Sequence[PublishedRow]


def _as_row(scores: PublishedScores) -> PublishedRow:
    figures: dict[str, Mapping[str, float]] = {
        name: MappingProxyType({METRICS[name]: error}) for name, error in scores.errors.items()
    }
    return PublishedRow(scores.name, MappingProxyType(figures), scores.trained_on)


def _two_metrics(abs_rel: float, delta1: float) -> Mapping[str, float]:
    return MappingProxyType({"AbsRel": abs_rel, "δ<1.25": delta1})


PUBLISHED: Mapping[str, PublishedTable] = MappingProxyType(
    {
        "midas-2020": PublishedTable(
            "README of MiDaS 3.1, github.com/isl-org/MiDaS",
            tuple(_as_row(scores) for scores in PUBLISHED_SCORES if scores is published_scores(scores.name)),
        ),
        "depth-anything": PublishedTable(
            "README of Depth Anything, github.com/LiheYoung/Depth-Anything",
            (
                PublishedRow(
                    "dpt_beit_large_512",
                    MappingProxyType(
                        {
                            "KITTI": _two_metrics(0.127, 0.850),
                            "NYU": _two_metrics(0.048, 0.980),
                            "Sintel": _two_metrics(0.587, 0.699),
                            "DDAD": _two_metrics(0.251, 0.766),
                            "ETH3D": _two_metrics(0.139, 0.867),
                            "DIODE": _two_metrics(0.075, 0.942),
                        }
                    ),
                    _BOTH,
                ),
            ),
        ),
    }
)

# Beside those of the published tables: what the network in the package and the fine-tuned ones were trained on.
_TRAINED_ON: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"tiny": ("NYU",), "dpt_hybrid_kitti": ("KITTI",), "dpt_hybrid_nyu": ("NYU",)}
)


def published_row(protocol: str, name: str) -> PublishedRow | None:
    """The figures that a protocol's papers publish of a network; None where there are none."""
    if protocol not in PUBLISHED:
        return None
    return next((row for row in PUBLISHED[protocol].rows if row.name == name), None)


def trained_on(name: str) -> tuple[str, ...]:
    """Sets that a network was trained on, by all that is known here: none of networks of others."""
    scores = published_scores(name)
    return _TRAINED_ON.get(name, ()) if scores is None else scores.trained_on
