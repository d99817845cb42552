"""A published network with the weights of its checkpoint: strict, and clear about what does not fit."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from openmidas.files.errors import FilePath, file_error
from openmidas.networks.checkpoint import Renames, renamed
from openmidas.networks.decoder import DepthNetwork
from openmidas.networks.encoders.beit import PICTURE_ROWS, resize_position_table
from openmidas.networks.encoders.vit import resize_positions
from openmidas.networks.published import PUBLISHED
from openmidas.networks.stored import read_stored

_LOG = logging.getLogger(__name__)


def _for_grid_of(shape: torch.Size, table: Tensor) -> Tensor:
    """BEiT's table of distances, resized to the network's grid."""
    side = (round((shape[0] - PICTURE_ROWS) ** 0.5) + 1) // 2
    return resize_position_table(table, side, side)


def _for_places_of(shape: torch.Size, table: Tensor) -> Tensor:
    """ViT's table of places, resized to the network's grid."""
    side = round((shape[1] - 1) ** 0.5)
    return resize_positions(table, side, side)


# tables trained for one grid serve another one resized; by the last part of their name
_RESIZED: Mapping[str, Callable[[torch.Size, Tensor], Tensor]] = MappingProxyType(
    {"position_table": _for_grid_of, "positions": _for_places_of}
)
# counters of training steps: older checkpoints lack them, and nothing here reads them
_COUNTERS = re.compile(r".*\.num_batches_tracked")


def load(preset: str, checkpoint: FilePath) -> DepthNetwork:
    """The network of that name with the weights of a published checkpoint, in eval mode, on the CPU.

    It takes (b, 3, h, w) normalised RGB and gives (b, h, w) inverse depth. Every weight must be in the file and
    fit; entries that the network does not need are logged. Code in the file is never run. Raises ValueError for an
    unknown name, FileError for a file that is missing, damaged, or another network's.
    """
    if preset not in PUBLISHED:
        raise ValueError(f"no published network is called {preset!r}: there are {', '.join(PUBLISHED)}")
    published = PUBLISHED[preset]
    network = published.build()
    wanted = {key: tensor for key, tensor in network.state_dict().items() if not _COUNTERS.fullmatch(key)}
    found = _translated(Path(checkpoint), preset, published.renames)
    missing = [key for key in wanted if key not in found]
    if missing:
        raise _misfit(checkpoint, preset, f"it lacks {_some(missing)}")
    fitted = {key: _fitted(key, found[key], tensor.shape) for key, tensor in wanted.items()}
    wrong = [
        f"{key} {tuple(fitted[key].shape)}, not {tuple(tensor.shape)}"
        for key, tensor in wanted.items()
        if fitted[key].shape != tensor.shape
    ]
    if wrong:
        raise _misfit(checkpoint, preset, f"it holds {_some(wrong)}")
    network.load_state_dict(fitted, strict=False)  # but for the counters all is there, as just checked
    return network.eval()


def _translated(checkpoint: Path, preset: str, renames: Renames) -> dict[str, Tensor]:
    """Our names -> the tensors of the file; FileError where it has an entry that the table does not know."""
    found, unknown, spare = {}, [], []
    for key, tensor in _read(checkpoint).items():
        try:
            ours = renamed(key, renames)
        except KeyError:
            unknown.append(key)
            continue
        if ours is None or not isinstance(tensor, Tensor):
            spare.append(key)
        else:
            found[ours] = tensor
    if unknown:
        raise _misfit(checkpoint, preset, f"it holds {_some(unknown)}, which that network has not")
    if spare:
        _LOG.info("%s: %s does not need %s", checkpoint, preset, ", ".join(spare))
    return found


def _read(checkpoint: Path) -> Mapping[str, Any]:
    """The file's entries; those that a training run stored under `model` or `state_dict` beside its optimiser too."""
    stored = read_stored(checkpoint)
    for part in ("model", "state_dict"):
        if isinstance(stored.get(part), Mapping):
            stored = stored[part]
    return stored


def _fitted(key: str, tensor: Tensor, shape: torch.Size) -> Tensor:
    resize = _RESIZED.get(key.rpartition(".")[2])
    if resize is None or tensor.shape == shape or tensor.ndim != len(shape):
        return tensor
    return resize(shape, tensor)


def _misfit(checkpoint: FilePath, preset: str, problem: str) -> Exception:
    return file_error(checkpoint, f"is no checkpoint of {preset}: {problem}")


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:2])
    return shown if len(names) <= 2 else f"{shown} and {len(names) - 2} more"
