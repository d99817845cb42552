"""Recipes as data: which networks were, or can be, made of what, in what shares, at what rates, for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

Mixing = Literal["naive", "pareto"]
Sizes = tuple[tuple[int, int], ...]  # (height, width)
GRADIENT_BYTES = 2**31  # five gradients of a network of 107 million parameters


@dataclass(frozen=True)
class Part:
    """One data set's part in every minibatch.

    layout: how it lies on disk, a name in `layouts.LAYOUTS` or `sources.HELD`, or how worlds are degraded. per_batch:
    its pictures in a minibatch, over all processes. loss: a name in `losses.LOSSES`, or `ranking` for pairs alone.
    kept: the share of the residuals that counts in `ssi-trim`, if it is another than the paper's. gradient_weight:
    alpha of the gradient loss. weight: how strongly all of that counts. paste_chance: how often shapes are laid in
    front. folders: the names under which the command line gives its folders, if they are not the set's own. held_out:
    from, to of the numbered pictures that are measured on and never trained on.
    """

    name: str
    layout: str
    per_batch: int
    loss: str = "ssi-trim"
    kept: float | None = None
    gradient_weight: float = 0.5
    weight: float = 1.0
    paste_chance: float = 0.0
    folders: tuple[str, ...] = ()
    held_out: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if self.kept is not None and self.loss != "ssi-trim":
            raise ValueError(f"{self.name}: only ssi-trim leaves residuals out, not {self.loss}: drop `kept`")


@dataclass(frozen=True)
class Phase:
    """A stretch of training on one mix; the next phase begins with this one's averaged network.

    sizes: of the minibatches, one is drawn for each. Rates are Adam's; with `rates_follow_size` they are for a weight
    tensor of root mean square 0.05 and grow with it. final_share: of the rates, where half a cosine ends; 1 keeps
    them. average_decay: of the averaged weights; 0 for none. anchor_weight: how strongly each picture's median and
    deviation are held. frozen: parameters whose name starts so stay as they are. relabels: photographs are labelled
    anew first, by the network so far and the labels given alike. gradient_bytes: what Pareto may keep of the sets'
    gradients; beyond it computes them several times. log_steps, checkpoint_steps: between two.
    """

    name: str
    parts: tuple[Part, ...]
    steps: int
    sizes: Sizes
    encoder_rate: float
    decoder_rate: float
    mixing: Mixing = "naive"
    warm_up_steps: int = 200
    final_share: float = 0.01
    weight_decay: float = 0.0
    average_decay: float = 0.0
    clip_norm: float = 1.0
    anchor_weight: float = 0.0
    rates_follow_size: bool = False
    frozen: tuple[str, ...] = ()
    relabels: bool = False
    gradient_bytes: int = GRADIENT_BYTES
    log_steps: int = 50
    checkpoint_steps: int = 500

    @property
    def pictures(self) -> int:
        """How many a minibatch has, over all processes."""
        return sum(part.per_batch for part in self.parts)


@dataclass(frozen=True)
class Recipe:
    """Everything a run depends on but the data: `network` is a name in `models.presets.PRESETS`."""

    network: str
    phases: tuple[Phase, ...]
    seed: int = 0

    def first_step(self, phase: Phase) -> int:
        """The step that a phase begins with, counted through all of them."""
        return sum(earlier.steps for earlier in self.phases[: self.phases.index(phase)])


# -- the embedded network ------------------------------------------------------------------------------------------

# about 49 thousand pixels each: landscape, portrait, square, wide
_SIZES = ((192, 256), (256, 192), (224, 224), (160, 320), (192, 288), (256, 224))
# about 70 thousand: nearer to what pictures have when they are predicted
_LARGE_SIZES = ((224, 320), (320, 224), (256, 288), (192, 384), (256, 256), (288, 256))
# What ImageNet taught the first layers serves as it is; a step without them takes a quarter less time.
_FIRST_LAYERS = ("encoder.stem", "encoder.blocks.0.", "encoder.blocks.1.", "encoder.blocks.2.")
_HELD_OUT = ((534, 596), (1134, 1196))


def _tiny_parts(photo_edges: float, rendered_edges: float) -> tuple[Part, ...]:
    """Labels of a teacher, Kinect rooms, rendered scenes; alpha of the gradient loss for the first and the last.

    Only labels are trimmed: trimmed everywhere, the nearest fifth of every picture is free to run away, and a
    least-squares fit follows it. Kinect depth gets a small alpha: its edges are blobs.
    """
    less, more = 15 / 16, 18 / 16  # every picture counts alike: five, six and five of sixteen
    folders = ("photos", "labels")
    photos = Part("photos", "labelled", 5, "ssi-trim", 0.9, photo_edges, less, 0.35, folders)
    kinect = Part("kinect", "kinect", 6, "ssi-mae", None, 0.5, more, 0.15, held_out=_HELD_OUT)
    return photos, kinect, Part("synthetic", "rendered", 5, "ssi-mae", None, rendered_edges, less, 0.15)


def _tiny_phase(name: str, parts: tuple[Part, ...], steps: int, sizes: Sizes, rate: float) -> Phase:
    return Phase(
        name,
        parts,
        steps,
        sizes,
        encoder_rate=1e-4,
        decoder_rate=rate,
        weight_decay=0.01,
        average_decay=0.998,
        anchor_weight=0.05,
        rates_follow_size=True,
        frozen=_FIRST_LAYERS,
        checkpoint_steps=250,
    )


_TINY = Recipe(
    "tiny",
    (
        _tiny_phase("first", _tiny_parts(1.0, 1.0), 4500, _SIZES, 1.5e-3),
        # on labels that the first phase helped to make; more weight on edges
        replace(_tiny_phase("second", _tiny_parts(1.5, 2.0), 8000, _LARGE_SIZES, 1e-3), relabels=True),
    ),
)

# -- the papers' ----------------------------------------------------------------------------------------------------

_REDWEB = Part("redweb", "redweb", 8)
_MIDAS_PARTS = (
    _REDWEB,
    Part("diml_indoor", "diml_indoor", 8),
    Part("movies", "manifest", 8),
    Part("megadepth", "megadepth", 8),
    Part("wsvd", "wsvd", 8),
)
_EPOCH_PICTURES, _EPOCHS = 72_000, 60


def _paper_phase(name: str, parts: tuple[Part, ...]) -> Phase:
    """The rates, size and length of Ranftl et al., TPAMI 2022, section 6; many sets are mixed by Pareto."""
    steps = _EPOCHS * _EPOCH_PICTURES // sum(part.per_batch for part in parts)
    mixing: Mixing = "pareto" if len(parts) > 1 else "naive"
    return Phase(
        name,
        parts,
        steps,
        ((384, 384),),
        encoder_rate=1e-5,
        decoder_rate=1e-4,
        mixing=mixing,
        warm_up_steps=0,
        final_share=1.0,
    )


# how long the paper pretrains on ReDWeb is not in what we have of it: here as many pictures as in the mix
_MIDAS_2020 = Recipe(
    "midas_v21_384", (_paper_phase("pretrain", (_REDWEB,)), _paper_phase("mix", _MIDAS_PARTS))
)

# Two of each set: the paper's 16 a minibatch do not divide by ten.
_CURATED = ("redweb", "hrwsi", "blendedmvs")
_DPT_PARTS = tuple(
    Part(name, layout, 2)
    for name, layout in (
        ("redweb", "redweb"),
        ("diml_indoor", "diml_indoor"),
        ("movies", "manifest"),
        ("megadepth", "megadepth"),
        ("wsvd", "wsvd"),
        ("hrwsi", "hrwsi"),
        ("tartanair", "tartanair"),
        ("apolloscape", "manifest"),
        ("blendedmvs", "blendedmvs"),
        ("irs", "irs"),
    )
)
_DPT_2021 = Recipe(
    "dpt_large_384",
    (
        _paper_phase("pretrain", tuple(part for part in _DPT_PARTS if part.name in _CURATED)),
        _paper_phase("mix", _DPT_PARTS),
    ),
)

# -- minutes on a CPU, nothing on disk ------------------------------------------------------------------------------

_WORLD_PARTS = (
    Part("lidar", "worlds-lidar", 2, "ssi-mae"),
    Part("rgbd", "worlds-rgbd", 2, "ssi-mae"),
    Part("stereo", "worlds-stereo", 2),
    Part("sfm", "worlds-sfm", 2),
    Part("ordinal", "worlds-ordinal", 2, "ranking"),
)
_SMOKE = Recipe(
    "tiny",
    (
        Phase(
            "mix",
            _WORLD_PARTS,
            200,
            ((96, 128), (128, 96)),
            encoder_rate=1e-3,
            decoder_rate=1.5e-3,
            mixing="pareto",
            warm_up_steps=20,
            weight_decay=0.01,
            average_decay=0.95,
            anchor_weight=0.05,
            rates_follow_size=True,
            log_steps=10,
            checkpoint_steps=50,
        ),
    ),
)

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {"midas-2020": _MIDAS_2020, "dpt-2021": _DPT_2021, "tiny": _TINY, "smoke": _SMOKE}
)
