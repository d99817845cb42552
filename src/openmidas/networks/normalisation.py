"""Batch norms for the time of training only: put behind a network's convolutions, folded into them afterwards."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

EPSILON = 1e-5
Network = TypeVar("Network", bound=nn.Module)


class NormalisedConv(nn.Module):
    """A convolution and a batch norm, which takes over its bias: in eval mode nothing has changed yet."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv, self.norm = conv, nn.BatchNorm2d(conv.out_channels, eps=EPSILON)
        if conv.bias is not None:
            self.norm.bias = nn.Parameter(conv.bias.detach())
        conv.bias = None

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return self.norm(self.conv(x))

    def folded(self) -> nn.Conv2d:
        """The one convolution that does what both do in eval mode."""
        return fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())


def insert_norms(module: nn.Module, without: tuple[nn.Module, ...] = ()) -> None:
    """Replace, in place, every convolution below `module` but those of `without` by a normalised one."""
    for name, child in module.named_children():
        if any(child is other for other in without):
            continue
        if isinstance(child, nn.Conv2d):
            setattr(module, name, NormalisedConv(child))
        else:
            insert_norms(child, without)


@torch.no_grad()
def calibrate_norms(network: nn.Module, pictures: Float[Tensor, "b 3 h w"]) -> None:
    """Take what the norms see of these pictures for the mean and variance that they divide out.

    In eval mode the network does what it did before; in training it now begins there.
    """

    def calibrate(norm: nn.Module, inputs: tuple[Tensor], _: Tensor) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)
        old_mean, old_variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        before = torch.sqrt(old_variance + EPSILON)
        norm.bias.add_(norm.weight * (mean - old_mean) / before)
        norm.weight.mul_(torch.sqrt(variance + EPSILON) / before)
        old_mean.copy_(mean)
        old_variance.copy_(variance)

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_hook(calibrate) for norm in norms]
    network.eval()(pictures)
    for hook in hooks:
        hook.remove()
    network.train()


def fold_norms(network: Network) -> Network:
    """A copy of the network with every normalised convolution turned back into a plain one."""
    network = deepcopy(network)
    _fold_below(network)
    return network.eval()


def _fold_below(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, NormalisedConv):
            setattr(module, name, child.folded())
        else:
            _fold_below(child)
