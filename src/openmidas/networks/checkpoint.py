"""Published checkpoints into our networks: rename, check that all is there, say what is left over."""

from __future__ import annotations

import re

Renames = tuple[tuple[str, str | None], ...]  # pattern of the whole published key -> ours; None: not needed


def decoder_renames(last: int) -> Renames:
    """The decoder of `last` levels; published levels count from 1, fine to coarse."""
    rows: list[tuple[str, str | None]] = []
    for n in range(1, last + 1):
        block = "decoder.coarsest" if n == last else f"decoder.fusions.{n - 1}"
        rows += [
            (rf"scratch\.layer{n}_rn\.(.*)", rf"decoder.skips.{n - 1}.\1"),
            (rf"scratch\.refinenet{n}\.out_conv\.(.*)", rf"{block}.project.\1"),
            (rf"scratch\.refinenet{n}\.resConfUnit2\.(.*)", rf"{block}.output_unit.\1"),
            # the coarsest block has nothing to merge: its first unit never runs
            (rf"scratch\.refinenet{n}\.resConfUnit1\.(.*)", None if n == last else rf"{block}.skip_unit.\1"),
        ]
    rows += [(rf"scratch\.output_conv\.{i}\.(.*)", rf"head.conv{n}.\1") for n, i in ((1, 0), (2, 2), (3, 4))]
    return tuple(rows)


DECODER_RENAMES = decoder_renames(4)
_REASSEMBLE_ROWS = (
    (r"pretrained\.act_postprocess{n}\.0\.project\.0\.(.*)", r"reassemble.levels.{i}.readout.project.\1"),
    (r"pretrained\.act_postprocess{n}\.3\.(.*)", r"reassemble.levels.{i}.project.\1"),
    (r"pretrained\.act_postprocess{n}\.4\.(.*)", r"reassemble.levels.{i}.resample.\1"),
)
REASSEMBLE_RENAMES = tuple(
    (pattern.replace("{n}", str(n)), ours.replace("{i}", str(n - 1)))
    for n in range(1, 5)
    for pattern, ours in _REASSEMBLE_ROWS
)
DPT_RENAMES = DECODER_RENAMES + REASSEMBLE_RENAMES
# an encoder published alone, by timm or its authors -> the same in a checkpoint
ALONE: Renames = ((r"(.*)", r"pretrained.model.\1"),)


def renamed(key: str, renames: Renames) -> str | None:
    """Our name of a published key, None for one that is not needed; KeyError for one the table does not know."""
    for pattern, ours in renames:
        match = re.fullmatch(pattern, key)
        if match:
            return match.expand(ours) if ours is not None else None
    raise KeyError(key)
