"""Norms go in without changing anything, learn, and fold back into the convolutions."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from openmidas.networks.normalisation import NormalisedConv, calibrate_norms, fold_norms, insert_norms
from openmidas.networks.tiny import TinyNetwork, insert_tiny_norms


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Sequential(nn.Conv2d(8, 4, 1)), nn.Conv2d(4, 1, 1))


def pictures() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return 40 * torch.randn(4, 3, 12, 10, generator=generator) + 100


def test_inserted_norms_change_nothing_in_eval_mode(network: nn.Module) -> None:
    before = network.eval()(pictures())
    insert_norms(network)
    assert sum(isinstance(module, NormalisedConv) for module in network.modules()) == 3
    torch.testing.assert_close(network.eval()(pictures()), before, rtol=1e-3, atol=1e-3)


def test_calibrated_norms_change_nothing_in_training_either(network: nn.Module) -> None:
    before = network.eval()(pictures())
    insert_norms(network)
    assert (deepcopy(network).train()(pictures()) - before).abs().max() > 1
    calibrate_norms(network, pictures())
    torch.testing.assert_close(network.train()(pictures()), before, rtol=1e-3, atol=1e-3)


def test_folded_network_has_the_plain_ones_names_and_answers(network: nn.Module) -> None:
    names = set(network.state_dict())
    insert_norms(network)
    for _ in range(3):
        network.train()(pictures())
    folded = fold_norms(network)
    assert set(folded.state_dict()) == names
    torch.testing.assert_close(folded(pictures()), network.eval()(pictures()), rtol=1e-4, atol=1e-4)


def test_what_is_excluded_stays(network: nn.Module) -> None:
    last = network[2]
    insert_norms(network, (last,))
    assert isinstance(network[0], NormalisedConv)
    assert network[2] is last
    assert isinstance(last[0], nn.Conv2d)


def test_tiny_network_folds_back_to_itself() -> None:
    network = TinyNetwork()
    insert_tiny_norms(network)
    assert not any(isinstance(module, NormalisedConv) for module in network.encoder.modules())
    assert set(fold_norms(network).state_dict()) == set(TinyNetwork().state_dict())
