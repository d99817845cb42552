"""An encoder's weights by our names: from a whole network's checkpoint, or as ImageNet's encoders are published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from openmidas.networks.checkpoint import Renames, renamed
from openmidas.networks.loading import unwrapped
from openmidas.networks.published import PUBLISHED

_ENCODER = "encoder."
_AS_IT_IS: Renames = ((r"(.*)", r"\1"),)


def encoder_weights(preset: str, encoder: nn.Module, stored: Mapping[str, Any]) -> dict[str, Tensor]:
    """What the entries of a file hold for that network's encoder, by the encoder's own names.

    The file is a checkpoint of the network, of which the rest is left, or of its encoder alone, as torchvision, timm
    or its authors publish it. Of several ways to call the same weights the one that finds most is taken.
    """
    published, wanted = PUBLISHED[preset], set(encoder.state_dict())
    found = [_found(unwrapped(stored), names, published.renames) for names in (_AS_IT_IS, *published.alone)]
    return max(found, key=lambda weights: len(wanted & weights.keys()))


def _found(entries: Mapping[str, Any], names: Renames, renames: Renames) -> dict[str, Tensor]:
    """The entries that both tables know, one after the other."""
    found = {}
    for key, value in entries.items():
        try:
            ours = renamed(renamed(key, names) or "", renames)
        except KeyError:  # such as a classifier
            continue
        if ours is not None and ours.startswith(_ENCODER) and isinstance(value, Tensor):
            found[ours.removeprefix(_ENCODER)] = value
    return found
