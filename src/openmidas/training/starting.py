"""What training begins with: a network anew, with an encoder from elsewhere, or an earlier run's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from google.protobuf.message import DecodeError
from jaxtyping import Float
from torch import Tensor, nn

from openmidas.files.errors import file_error, open_file
from openmidas.networks.checkpoint import Renames, renamed
from openmidas.networks.export import load_exported_weights
from openmidas.networks.loading import load
from openmidas.networks.mobilenet import load_folded_weights
from openmidas.networks.normalisation import calibrate_norms, fold_norms
from openmidas.networks.published import PUBLISHED
from openmidas.networks.stored import read_stored
from openmidas.networks.tiny import TinyNetwork, insert_tiny_norms
from openmidas.training.checkpoints import AVERAGE, read_network

_ENCODER = "encoder."


def first_network(
    name: str, start: Path | None, encoder: Path | None, pictures: Float[Tensor, "b 3 h w"]
) -> nn.Module:
    """The network of that name, as training begins with it.

    start: a run's checkpoint, the embedded network's ONNX file, or a published checkpoint. encoder: MobileNetV2's
    folded weights (NPZ), or any checkpoint of the published network, of which the rest is left. pictures: some of the
    first minibatch. Raises FileError for files that do not fit.
    """
    if name == "tiny":
        return _tiny(start, encoder, pictures)
    network = PUBLISHED[name].build()
    if start is not None and AVERAGE in read_stored(start):
        read_network(start, network)
    elif start is not None:
        network = load(name, start)
    if encoder is not None:
        _load_encoder(network.encoder, encoder, PUBLISHED[name].renames)
    return network


def earlier_network(path: Path) -> TinyNetwork:
    """The embedded network of an ONNX file, or the averaged one of a run's checkpoint, norms folded."""
    if path.suffix != ".onnx":
        return fold_norms(_normalised(path))
    network = TinyNetwork()
    try:
        load_exported_weights(network, path)
    except (RuntimeError, DecodeError) as error:
        raise file_error(path, "holds no network of this version's kind: train one anew") from error
    return network.eval()


def _tiny(start: Path | None, encoder: Path | None, pictures: Float[Tensor, "b 3 h w"]) -> TinyNetwork:
    """With batch norms, which begin with what they see of the pictures where the weights come without any."""
    if start and start.suffix != ".onnx":
        return _normalised(start)
    network = earlier_network(start) if start else TinyNetwork()
    if encoder:
        _load_folded(network, encoder)
    insert_tiny_norms(network)
    if start:
        calibrate_norms(network, pictures)
    return network


def _load_folded(network: TinyNetwork, path: Path) -> None:
    open_file(path).close()
    try:
        load_folded_weights(network.encoder, path)
    except Exception as error:  # other files make NumPy and zipfile raise anything
        remedy = "it must be an NPZ with P.weight and P.bias of every convolution P"
        raise file_error(path, f"holds no folded weights of MobileNetV2: {remedy}") from error


def _normalised(checkpoint: Path) -> TinyNetwork:
    network = TinyNetwork()
    insert_tiny_norms(network)
    read_network(checkpoint, network)
    return network


def _load_encoder(encoder: nn.Module, path: Path, renames: Renames) -> None:
    stored = read_stored(path)
    own = stored.get(AVERAGE)
    weights = _own_names(own) if own is not None else _translated(stored, renames)
    try:
        encoder.load_state_dict(
            {key.removeprefix(_ENCODER): value for key, value in weights.items() if key.startswith(_ENCODER)}
        )
    except RuntimeError as error:
        problem = str(error).splitlines()[1].strip()[:200] if "\n" in str(error) else str(error)
        raise file_error(path, f"holds no weights of this encoder: {problem}") from error


def _own_names(average: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix("module."): value for key, value in average.items()}


def _translated(stored: Mapping[str, Tensor], renames: Renames) -> dict[str, Tensor]:
    """Our names for what the table knows of a published checkpoint."""
    found = {}
    for key, value in stored.items():
        try:
            ours = renamed(key, renames)
        except KeyError:
            continue
        if ours is not None:
            found[ours] = value
    return found
