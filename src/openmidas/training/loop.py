"""The training loop: Adam, warm-up and cosine, averaged weights, checkpoints that a later run goes on from."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from openmidas.training.data import Batch, Source, batches
from openmidas.training.losses import ANCHOR_WEIGHT, anchor, trimmed_loss


@dataclass(frozen=True)
class Schedule:
    """How long and how fast; learning rates are for a weight tensor of root mean square 0.05."""

    steps: int
    sizes: tuple[tuple[int, int], ...]  # (height, width) of the minibatches, drawn at random
    encoder_rate: float
    decoder_rate: float
    warm_up_steps: int = 200
    weight_decay: float = 0.01
    average_decay: float = 0.998
    frozen: tuple[str, ...] = ()  # parameters whose name starts so stay as they are
    bfloat16: bool = False  # half the memory traffic; eight times slower on processors that only emulate it
    seed: int = 0


def rate_factor(step: int, schedule: Schedule) -> float:
    """Share of the full learning rate: linear warm-up, then half a cosine down to 1 %."""
    if step < schedule.warm_up_steps:
        return (step + 1) / schedule.warm_up_steps
    done = (step - schedule.warm_up_steps) / max(1, schedule.steps - schedule.warm_up_steps)
    return 0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min(1.0, done))))


def optimiser(network: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """AdamW with one group a tensor.

    Folded batch norms leave weights of very different size (depthwise kernels are large); Adam's step does not
    follow it, so the rate does.
    """
    groups = []
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not name.startswith(schedule.frozen))
        if not parameter.requires_grad:
            continue
        base = schedule.encoder_rate if name.startswith("encoder.") else schedule.decoder_rate
        size = float(parameter.detach().square().mean().sqrt()) / 0.05 if parameter.ndim > 1 else 1.0
        rate = base * float(np.clip(size, 0.5, 10.0))
        decay = schedule.weight_decay if parameter.ndim > 1 else 0.0
        groups.append({"params": [parameter], "lr": rate, "full_rate": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, lr=schedule.decoder_rate, betas=(0.9, 0.999), foreach=True)


def train(
    network: nn.Module,
    sources: Sequence[Source],
    schedule: Schedule,
    folder: Path,
    evaluate: Callable[[nn.Module], dict[str, float]],
    every: int = 500,
) -> nn.Module:
    """Train `network` in place and return the averaged one.

    `folder` gets `checkpoint.pt` every `every` steps (a run that finds one goes on from it) and `log.jsonl`, one
    line each time: step, mean loss of every source, pictures a second, what `evaluate` says of the averaged network.
    """
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(schedule.average_decay),
        use_buffers=True,
    )
    adam = optimiser(network, schedule)
    parts = {"network": network, "average": average, "optimiser": adam}
    first = resume(folder / "checkpoint.pt", parts)
    stream = batches(sources, schedule.sizes, schedule.seed, range(first, schedule.steps))
    losses, started = [], time.monotonic()
    for step, batch in enumerate(stream, start=first):
        losses.append(_step(network, adam, batch, rate_factor(step, schedule), schedule.bfloat16))
        average.update_parameters(network)
        if (step + 1) % every == 0 or step + 1 == schedule.steps:
            save(folder / "checkpoint.pt", parts, step + 1)
            rate = len(losses) * batch.image.shape[0] / (time.monotonic() - started)
            line = {"step": step + 1, **_by_source(losses, sources), "pictures_per_s": round(rate, 1)}
            _log(folder / "log.jsonl", line | evaluate(average.module))
            losses, started = [], time.monotonic()
    return average.module


def _step(
    network: nn.Module, adam: torch.optim.Optimizer, batch: Batch, factor: float, bfloat16: bool
) -> torch.Tensor:
    for group in adam.param_groups:
        group["lr"] = group["full_rate"] * factor
    image = batch.image.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        prediction = network(image)
    prediction = prediction.float()
    losses = trimmed_loss(prediction, batch.target, batch.valid, batch.kept, batch.gradient_weight)
    adam.zero_grad(set_to_none=True)
    (losses + ANCHOR_WEIGHT * anchor(prediction, batch.valid)).mean().backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    adam.step()
    return losses.detach()


def _by_source(losses: Sequence[torch.Tensor], sources: Sequence[Source]) -> dict[str, float]:
    mean = torch.stack(list(losses)).mean(0)
    parts = mean.split([source.per_batch for source in sources])
    return {source.name: round(float(part.mean()), 4) for source, part in zip(sources, parts, strict=True)}


def _log(path: Path, line: dict[str, Any]) -> None:
    text = json.dumps(line)
    print(text, flush=True)
    with path.open("a", encoding="utf8") as file:
        file.write(text + "\n")


def save(path: Path, parts: dict[str, Any], step: int) -> None:
    """Write every part's state and the step, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    torch.save({"step": step, **{name: part.state_dict() for name, part in parts.items()}}, beside)
    os.replace(beside, path)


def resume(path: Path, parts: dict[str, Any]) -> int:
    """Load every part's state if `path` exists; the number of steps done."""
    if not path.exists():
        return 0
    stored = torch.load(path, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(stored[name])
    return int(stored["step"])
