"""What training begins with: a network anew, with an encoder from elsewhere, or an earlier run's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import torch
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
from openmidas.training.recipes import Phase

_ENCODER = "encoder."
_LAST_LAYER = "head.conv3"
_LIFTED_BY = 8  # pictures, of all sets
_LIFT = 4  # standard deviations of the first answers, which become their mean


def new_network(name: str) -> nn.Module:
    """The network of that name with random weights; the embedded one with the norms that it is trained with."""
    return PUBLISHED[name].build() if name != "tiny" else _new_tiny()


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
    if not start:
        _lift(network, pictures)
    return network


def check_start(phase: Phase, start: Path | None, encoder: Path | None) -> None:
    """ValueError where the phase counts on an encoder that has learnt, and nothing has taught it."""
    if start is not None or encoder is not None:
        return
    needed = "give --encoder, weights of an encoder, or --start, a trained network"
    if phase.frozen:
        raise ValueError(
            f"this recipe leaves the encoder's first layers as they are, and they would be random: {needed}"
        )
    if phase.encoder_rate < phase.decoder_rate / 2:
        raise ValueError(
            f"this recipe's rate for the encoder is for one that has learnt, and it would be random: {needed}"
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


@torch.no_grad()
def _lift(network: DepthNetwork, pictures: Float[Tensor, "b 3 h w"]) -> None:
    """Raise the last bias until random weights answer above 0: what the last ReLU cuts off learns nothing."""
    answers: list[Tensor] = []
    tried = deepcopy(network).train()  # norms keep what they see
    tried.get_submodule(_LAST_LAYER).register_forward_hook(
        lambda layer, given, answer: answers.append(answer)
    )
    tried(pictures[:: math.ceil(len(pictures) / _LIFTED_BY)])
    network.get_parameter(f"{_LAST_LAYER}.bias").add_(_LIFT * answers[0].std() - answers[0].mean())


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


def _new_tiny() -> TinyNetwork:
    network = TinyNetwork()
    insert_tiny_norms(network)
    return network


def _normalised(checkpoint: Path) -> TinyNetwork:
    network = _new_tiny()
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
