"""One step of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from openmidas.training.optimising import check_frozen, keep_frozen, optimiser, update
from openmidas.training.recipes import Part, Phase

PHASE = Phase("mix", (Part("set", "manifest", 1),), 10, ((8, 8),), encoder_rate=0.1, decoder_rate=0.1)


@pytest.mark.parametrize(("length", "kept"), [(50.0, 2.0), (1.0, 1.0)])
def test_gradients_longer_than_the_limit_are_shortened_to_it_others_not(length: float, kept: float) -> None:
    network = nn.Sequential(nn.Linear(3, 1, bias=False), nn.Linear(1, 1, bias=False))
    for weight, share in zip(network.parameters(), (0.6, 0.8), strict=True):
        weight.grad = torch.zeros_like(weight)
        weight.grad[0, 0] = share * length
    norm = update(network, optimiser(network, PHASE), torch.amp.GradScaler("cpu", enabled=False), 2.0)
    assert norm.item() == pytest.approx(length)
    first, second = (weight.grad[0, 0].item() for weight in network.parameters() if weight.grad is not None)
    assert (first, second) == pytest.approx((0.6 * kept, 0.8 * kept), rel=1e-5)


def test_what_is_frozen_keeps_its_weights_and_its_norms_statistics() -> None:
    network = nn.ModuleDict(
        {"encoder": nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), "decoder": nn.BatchNorm2d(4)}
    )
    network.train()
    keep_frozen(network, ("encoder.",))
    network["decoder"](network["encoder"](torch.rand(2, 3, 8, 8))).sum().backward()
    assert all(parameter.grad is None for parameter in network["encoder"].parameters())
    assert int(network["encoder"][1].num_batches_tracked) == 0
    assert int(network["decoder"].num_batches_tracked) == 1


def test_a_name_to_be_frozen_that_nothing_has_is_refused() -> None:
    network = nn.ModuleDict({"encoder": nn.Linear(1, 1)})
    check_frozen(network, ("encoder.",))
    with pytest.raises(ValueError, match=r"starts with 'encodr\.'; the first is encoder\.weight"):
        check_frozen(network, ("encodr.",))
