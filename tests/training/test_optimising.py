"""One step of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from openmidas.training.optimising import optimiser, update
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
