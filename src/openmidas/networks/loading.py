"""A published network with the weights of its checkpoint: strict, and clear about what does not fit."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from openmidas.files.errors import FileError, FilePath, file_error
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
    found = _translated(Path(checkpoint), preset, published.renames)
    load_weights(network, found, lambda problem: _misfit(checkpoint, preset, problem))
    return network.eval()


def load_weights(module: nn.Module, found: Mapping[str, Tensor], misfit: Callable[[str], FileError]) -> None:
    """Load the weights found, tables of places resized to the module's grid; all must be there and fit.

    misfit: makes the error that is raised of what is missing, of another shape or of another network.
    """
    own = module.state_dict()
    missing = [key for key in own if key not in found and not _COUNTERS.fullmatch(key)]
    if missing:
        raise misfit(f"it lacks {_some(missing)}")
    strange = [key for key in found if key not in own]
    if strange:
        raise misfit(f"it holds {_some(strange)}, which that network has not")
    fitted = {key: _fitted(key, tensor, own[key].shape) for key, tensor in found.items()}
    wrong = [
        f"{key} {tuple(tensor.shape)}, not {tuple(own[key].shape)}"
        for key, tensor in fitted.items()
        if tensor.shape != own[key].shape
    ]
    if wrong:
        raise misfit(f"it holds {_some(wrong)}")
    module.load_state_dict(fitted, strict=False)  # but for the counters all is there, as just checked


def _translated(checkpoint: Path, preset: str, renames: Renames) -> dict[str, Tensor]:
    """Our names -> the tensors of the file; FileError where it has an entry that the table does not know."""
    found, unknown, spare = {}, [], []
    for key, tensor in unwrapped(read_stored(checkpoint)).items():
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


def unwrapped(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """A file's entries; those that a training run stored under `model` or `state_dict` beside its optimiser too."""
    for part in ("model", "state_dict"):
        if isinstance(stored.get(part), Mapping):
            stored = stored[part]
    return stored


def _fitted(key: str, tensor: Tensor, shape: torch.Size) -> Tensor:
    resize = _RESIZED.get(key.rpartition(".")[2])
    if resize is None or tensor.shape == shape or tensor.ndim != len(shape):
        return tensor
    try:
        return resize(shape, tensor)
    except (RuntimeError, IndexError):  # of no square grid: it is refused for its shape
        return tensor


def _misfit(checkpoint: FilePath, preset: str, problem: str) -> FileError:
    return file_error(checkpoint, f"is no checkpoint of {preset}: {problem}")


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:2])
    return shown if len(names) <= 2 else f"{shown} and {len(names) - 2} more"
