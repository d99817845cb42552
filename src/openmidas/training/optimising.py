"""What a step does to the weights: rates, backward pass, clipping, Adam, averaged weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from openmidas.training.mixing import naive_backward, pareto_backward
from openmidas.training.recipes import Phase

REFERENCE_SIZE = 0.05  # root mean square of a weight tensor whose rate is the recipe's own
SIZE_RANGE = (0.5, 10.0)
_Tensors = tuple[Tensor, ...] | list[Tensor]


def check_frozen(network: nn.Module, frozen: tuple[str, ...]) -> None:
    """ValueError for a name to be frozen with which none of the network's parameters begins."""
    names = [name for name, _ in network.named_parameters()]
    for start in frozen:
        if not any(name.startswith(start) for name in names):
            raise ValueError(f"frozen: no parameter's name starts with {start!r}; the first is {names[0]}")


def keep_frozen(network: nn.Module, frozen: tuple[str, ...]) -> None:
    """Take parameters whose name starts so from training, and the norms among them from gathering statistics."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not name.startswith(frozen))
    for name, module in network.named_modules():
        if f"{name}.".startswith(frozen):
            module.eval()


def optimiser(network: nn.Module, phase: Phase) -> torch.optim.Optimizer:
    """AdamW with the phase's rates for all parameters that are not frozen; biases and norms do not decay.

    Folded batch norms leave weights of very different size (depthwise kernels are large); Adam's step does not
    follow it, so the rate does where the phase says so. Each parameter is then a group: groups of equal rates would be
    others once the weights have changed, and a checkpoint's would no longer fit.
    """
    groups: dict[object, dict[str, Any]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        base = phase.encoder_rate if name.startswith("encoder.") else phase.decoder_rate
        rate = base * (_size(parameter) if phase.rates_follow_size else 1.0)
        decay = phase.weight_decay if parameter.ndim > 1 else 0.0
        key = name if phase.rates_follow_size else (rate, decay)
        new = {"params": [], "lr": rate, "full_rate": rate, "weight_decay": decay}
        groups.setdefault(key, new)["params"].append(parameter)
    return torch.optim.AdamW(groups.values(), lr=phase.decoder_rate, betas=(0.9, 0.999), fused=True)


def _size(parameter: nn.Parameter) -> float:
    """How many times as large as a weight that is trained at the full rate."""
    if parameter.ndim == 1:
        return 1.0
    return float(np.clip(float(parameter.detach().square().mean().sqrt()) / REFERENCE_SIZE, *SIZE_RANGE))


def rate_factor(step: int, phase: Phase) -> float:
    """Share of the full learning rate at a step of the phase: linear warm-up, then half a cosine down."""
    if step < phase.warm_up_steps:
        return (step + 1) / phase.warm_up_steps
    done = (step - phase.warm_up_steps) / max(1, phase.steps - phase.warm_up_steps)
    falls = 0.5 * (1 + float(np.cos(np.pi * min(1.0, done))))
    return phase.final_share + (1 - phase.final_share) * falls


def set_rates(adam: torch.optim.Optimizer, factor: float) -> None:
    """Every group's rate as that share of its full one."""
    for group in adam.param_groups:
        group["lr"] = group["full_rate"] * factor


def averaged_model(network: nn.Module, decay: float) -> AveragedModel:
    """The exponentially weighted mean of the weights and of the norms' statistics; of decay 0 the last ones.

    It looks back over a ninth of the steps at most, lest a short run's mean be of its first weights.
    """

    def follow(average: _Tensors, current: _Tensors, count: Tensor | int) -> None:
        steps = int(count)
        get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(average, current, count)

    return AveragedModel(network, multi_avg_fn=follow, use_buffers=True).eval()


def backward(
    losses: Sequence[Float[Tensor, ""]], network: nn.Module, phase: Phase, scaler: torch.amp.GradScaler
) -> Float[Tensor, " l"]:
    """Set the gradients as the phase mixes its sets; the sets' weights.

    In half precision gradients may overflow; they are left so, and the scaler answers by a smaller scale.
    """
    scaled = [scaler.scale(loss) for loss in losses]
    if phase.mixing == "pareto":
        weights = pareto_backward(scaled, network.parameters(), phase.gradient_bytes)
    else:
        weights = naive_backward(scaled, network.parameters())
    return torch.from_numpy(weights).to(losses[0])


def update(
    network: nn.Module, adam: torch.optim.Optimizer, scaler: torch.amp.GradScaler, clip_norm: float
) -> Float[Tensor, ""]:
    """Clip the gradients and take the step; their norm before clipping.

    If they overflowed in half precision, no step is taken and the norm is NaN; otherwise one not finite is infinite.
    """
    scaler.unscale_(adam)
    norm = nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
    scaler.step(adam)
    scaler.update()
    return norm.where(norm.isfinite(), torch.nan if scaler.is_enabled() else torch.inf)
