"""What training begins with: a network anew, with an encoder from elsewhere, or an earlier run's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from google.protobuf.message import DecodeError
from jaxtyping import Float
from torch import Tensor, nn

from openmidas.files.errors import FileError, file_error, open_file
from openmidas.networks.decoder import DepthNetwork
from openmidas.networks.export import load_exported_weights
from openmidas.networks.loading import load, load_weights, unwrapped
from openmidas.networks.mobilenet import load_folded_weights, load_torchvision_weights
from openmidas.networks.normalisation import calibrate_norms, fold_norms
from openmidas.networks.pretrained import encoder_weights
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
    weights, torchvision's or folded (NPZ); or any checkpoint of the published network, of which the rest is left, or
    of its encoder alone. pictures: some of the first minibatch. Raises FileError for files that do not fit.
    """
    if name == "tiny":
        return _tiny(start, encoder, pictures)
    network = _published(name, start) if start else PUBLISHED[name].build()
    if encoder:
        _load_encoder(name, network.encoder, encoder)
    return network


def check_start(frozen: Sequence[str], start: Path | None, encoder: Path | None) -> None:
    """ValueError where parameters would stay as they are, those whose name starts so, and nothing has taught them."""
    if frozen and start is None and encoder is None:
        raise ValueError(
            "this recipe leaves the encoder's first layers as they are, and they would be random: "
            "give --encoder, weights of an encoder, or --start, a trained network"
        )


def trained_network(name: str, path: Path) -> nn.Module:
    """The network of that name, in eval mode, as a run's checkpoint or a published one has it; tiny's ONNX file too.

    Raises FileError for files that do not fit.
    """
    network: nn.Module = earlier_network(path) if name == "tiny" else _published(name, path)
    return network.eval()


def load_mobilenet(network: TinyNetwork, path: Path) -> None:
    """Give the encoder MobileNetV2's weights, torchvision's or folded (NPZ); FileError for a file without them."""
    open_file(path).close()
    try:
        if path.suffix == ".npz":
            load_folded_weights(network.encoder, path)
        else:
            load_torchvision_weights(network.encoder, unwrapped(read_stored(path)))
    except FileError:
        raise
    except Exception as error:  # other files make NumPy and zipfile raise anything
        remedy = "it must be torchvision's, or an NPZ with P.weight and P.bias of every convolution P"
        raise file_error(path, f"holds no weights of MobileNetV2: {remedy}") from error


def _published(name: str, path: Path) -> DepthNetwork:
    """From a run's checkpoint or a published one."""
    if AVERAGE not in read_stored(path):
        return load(name, path)
    network = PUBLISHED[name].build()
    read_network(path, network)
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
        load_mobilenet(network, encoder)
    insert_tiny_norms(network)
    if start:
        calibrate_norms(network, pictures)
    return network


def _normalised(checkpoint: Path) -> TinyNetwork:
    network = TinyNetwork()
    insert_tiny_norms(network)
    read_network(checkpoint, network)
    return network


def _load_encoder(name: str, encoder: nn.Module, path: Path) -> None:
    stored = read_stored(path)
    own = stored.get(AVERAGE)
    weights = encoder_weights(name, encoder, stored) if own is None else _encoder_of(own)
    load_weights(
        encoder, weights, lambda problem: file_error(path, f"holds no weights of this encoder: {problem}")
    )


def _encoder_of(average: Mapping[str, Tensor]) -> dict[str, Tensor]:
    names = {key: key.removeprefix("module.") for key in average}
    return {
        name.removeprefix(_ENCODER): average[key] for key, name in names.items() if name.startswith(_ENCODER)
    }
