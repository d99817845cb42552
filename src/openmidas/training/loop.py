"""The training loop: one for every recipe, network, precision and number of processes."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel

from openmidas.files.errors import file_error
from openmidas.files.image_writing import write_image
from openmidas.models.batch import one_line
from openmidas.models.presets import preset_named
from openmidas.training.checkpoints import (
    AVERAGE,
    Progress,
    Stateful,
    is_measured,
    read_progress,
    resume,
    write_best,
    write_last,
)
from openmidas.training.data import Batch, Plan, Source, batches, draw_batch
from openmidas.training.distributed import ALONE, Processes, average
from openmidas.training.losses import LOSSES, Pairs, anchor, ranking, trimmed_loss, unit_range
from openmidas.training.monitor import Record, opened_log, prediction_grid
from openmidas.training.optimising import (
    averaged_model,
    backward,
    keep_frozen,
    optimiser,
    rate_factor,
    set_rates,
    update,
)
from openmidas.training.recipes import Part, Phase, Recipe
from openmidas.training.sampling import Stage

Precision = Literal["float32", "bfloat16", "float16"]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
PICTURES = "pictures"
ERROR = "abs_rel"  # the number of an evaluation by which networks are compared: the least is best


@dataclass(frozen=True)
class Running:
    """Where a run computes, in what precision, and who is told.

    evaluate: numbers about a network, `abs_rel` among them where there is anything to measure on; it must leave the
    network as it is. advance: called after each step. say: told the numbers at each checkpoint. warn: told in one
    line why a checkpoint was not measured; the run goes on.
    """

    folder: Path
    evaluate: Callable[[nn.Module], Mapping[str, float]]
    device: str = "cpu"
    precision: Precision = "float32"
    processes: Processes = ALONE
    advance: Callable[[], None] = lambda: None
    say: Callable[[int, Mapping[str, float]], None] = lambda steps, numbers: None
    warn: Callable[[str], None] = warnings.warn


def train(
    network: nn.Module, sources: Mapping[str, Source], recipe: Recipe, phase: Phase, running: Running
) -> nn.Module:
    """Train `network` in place through one phase and return the averaged one, in eval mode.

    The folder gets `last.pt`, from which a run that was killed goes on as if it had not been, `best.pt`, the log and
    pictures. What was learnt is written before it is measured, and measured later where the run was killed in between.
    Raises FileError where a loss is no longer finite, and for what cannot be written.
    """
    begin = recipe.first_step(phase)
    end = begin + phase.steps
    network.to(running.device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    keep_frozen(network, phase.frozen)
    averaged = averaged_model(network, phase.average_decay)
    adam = optimiser(network, phase)
    scaler = torch.amp.GradScaler(running.device, enabled=running.precision == "float16")
    states: dict[str, Stateful] = {"network": network, AVERAGE: averaged, "optimiser": adam, "scaler": scaler}
    progress = read_progress(running.folder)
    if progress.steps > begin:
        resume(running.folder, states)
    done = max(progress.steps, begin)
    plan = plan_of(recipe, phase, running.processes)
    least_error = progress.least_error
    writes = running.processes.number == 0
    seen: list[Tensor] = []
    with opened_log(running.folder if writes else None, done) as record:
        picture = partial(_write_picture, averaged.module, sources, plan, phase, begin, running)
        note = partial(_measured_and_noted, averaged, picture, running, record)
        if writes and progress.steps > begin and not is_measured(running.folder, progress):
            least_error = note(done, progress.numbers, least_error)
        started = asked = time.monotonic()
        waited_s = 0.0
        drawn_ahead = batches(sources, plan, range(done, end), gives_way=running.device == "cpu")
        for step, drawn in enumerate(drawn_ahead, start=done):
            waited_s += time.monotonic() - asked
            batch = drawn.to(running.device)
            set_rates(adam, rate_factor(step - begin, phase))
            with torch.autocast(running.device, DTYPES[running.precision], running.precision != "float32"):
                predictions = predictions_of(network, batch, phase, running.processes)
            losses, objectives = losses_of(predictions, batch, phase, running.processes)
            weights = backward(objectives, network, phase, scaler)
            norm = update(network, adam, scaler, phase.clip_norm)
            averaged.update_parameters(network)
            seen.append(torch.cat([losses, weights, norm[None]]).detach())
            running.advance()
            is_kept = (step + 1) % phase.checkpoint_steps == 0 or step + 1 == end
            if is_kept or (step + 1) % phase.log_steps == 0:
                pictures = len(seen) * phase.pictures
                numbers = _means(seen, phase, step + 1, running.folder)
                passed_s = time.monotonic() - started
                speed = {"pictures_per_s": pictures / passed_s, "waiting": waited_s / passed_s}
                if is_kept and writes:
                    write_last(running.folder, states, Progress(step + 1, least_error, numbers))
                    least_error = note(step + 1, numbers | speed, least_error)
                else:
                    record(step + 1, numbers | speed)
                seen, started, waited_s = [], time.monotonic(), 0.0
            asked = time.monotonic()
    return averaged.module


def plan_of(recipe: Recipe, phase: Phase, processes: Processes = ALONE) -> Plan:
    """What the minibatches of a phase follow from: the sampler's stages are the recipe's phases."""
    stages = [
        Stage(recipe.first_step(each), {part.name: part.per_batch for part in each.parts})
        for each in recipe.phases
    ]
    return Plan(stages, phase.sizes, recipe.seed, preset_named(recipe.network), processes)


def predictions_of(
    network: nn.Module, batch: Batch, phase: Phase, processes: Processes
) -> Sequence[Float[Tensor, "b h w"]]:
    """What the network makes of every set's pictures.

    Pareto goes back once for each set; a forward pass each makes that a short way. Batch norms need one for all.
    """
    counts = _shares(phase, processes)
    if phase.mixing == "pareto" and not any(isinstance(module, _BatchNorm) for module in network.modules()):
        return [network(images) for images in batch.image.split(counts)]
    return network(batch.image).split(counts)


def losses_of(
    predictions: Sequence[Float[Tensor, "b h w"]], batch: Batch, phase: Phase, processes: Processes
) -> tuple[Float[Tensor, " l"], list[Float[Tensor, ""]]]:
    """The mean loss of every set, and what is to be made small: with the set's weight, and the anchor."""
    losses, objectives = [], []
    each = zip(phase.parts, batch.split(_shares(phase, processes)), predictions, strict=True)
    for part, own, prediction in each:
        predicted = prediction.float()
        loss = _losses(part, predicted, own).mean()
        held = anchor(predicted, own.valid | _ordered_only(part, own)[:, None, None]).mean()
        losses.append(loss)
        objectives.append(part.weight * (loss + phase.anchor_weight * held))
    return torch.stack(losses), objectives


def _shares(phase: Phase, processes: Processes) -> list[int]:
    """How many pictures of every set a process has in its part of a minibatch."""
    return [part.per_batch // processes.count for part in phase.parts]


def _losses(part: Part, prediction: Float[Tensor, "b h w"], batch: Batch) -> Float[Tensor, " b"]:
    """The set's loss where depth is known, and the order of pairs: MegaDepth has pictures of both kinds."""
    order = ranking(prediction, batch.pairs)
    if part.loss == "ranking":
        return order
    target = unit_range(batch.target, batch.valid)
    if part.kept is None:
        return order + LOSSES[part.loss](prediction, target, batch.valid, part.gradient_weight)
    kept = prediction.new_full(prediction.shape[:1], part.kept)
    return order + trimmed_loss(prediction, target, batch.valid, kept, part.gradient_weight)


def _ordered_only(part: Part, batch: Batch) -> Bool[Tensor, " b"]:
    """Pictures of which only the order of pairs counts: all their pixels are held by the anchor."""
    has_depth = batch.valid.flatten(1).any(1)
    return torch.ones_like(has_depth) if part.loss == "ranking" else batch.pairs.valid.any(1) & ~has_depth


def _means(seen: Sequence[Tensor], phase: Phase, steps: int, folder: Path) -> dict[str, float]:
    """Mean losses, weights and norm of gradients since the last line, over all processes.

    FileError where one is not finite; the norm is NaN for a step that half precision left out, and not counted.
    """
    rows = torch.stack(list(seen))
    means = torch.cat([rows[:, :-1].mean(0), rows[:, -1:].nanmean(0)])
    average(means)
    names = [f"{what} {part.name}" for what in ("loss", "weight") for part in phase.parts]
    numbers = dict(zip([*names, "gradient norm"], means.tolist(), strict=True))
    if not all(math.isfinite(numbers[name]) for name in names) or math.isinf(numbers["gradient norm"]):
        problem = f"the loss is no longer finite after {steps} steps: lower the rates, or take more precision"
        raise file_error(folder, f"{problem}; last.pt is of before")
    return numbers


def _measured_and_noted(
    averaged: AveragedModel,
    picture: Callable[[int], None],
    running: Running,
    record: Record,
    steps: int,
    numbers: Mapping[str, float],
    least_error: float,
) -> float:
    """Measure the averaged network, keep it if it is the best so far, note it all; the least error so far.

    The log comes last: what it does not have is measured again when the run goes on.
    """
    picture(steps)
    numbers = {**numbers, **_errors(averaged.module, steps, running)}
    error = float(numbers.get(ERROR, math.inf))
    is_best = error < least_error  # never where it is not a number
    if is_best:
        write_best(running.folder, averaged, error)
    record(steps, numbers)
    running.say(steps, numbers)
    return error if is_best else least_error


def _errors(network: nn.Module, steps: int, running: Running) -> Mapping[str, float]:
    """What the evaluation says of the network; nothing, but a warning, where it fails."""
    try:
        return running.evaluate(network)
    except Exception as error:  # whatever it is, it must not end the run
        running.warn(f"Not measured after {steps} steps: {one_line(running.folder, error)}")
        return {}


def _write_picture(
    network: nn.Module,
    sources: Mapping[str, Source],
    plan: Plan,
    phase: Phase,
    begin: int,
    running: Running,
    steps: int,
) -> None:
    """What the network makes of a picture of every set, of the phase's first minibatch, goes to the folder."""
    shown = _first_of_each(draw_batch(sources, replace(plan, processes=ALONE), begin), phase)
    with torch.no_grad():
        prediction = network(shown.to(running.device).image)
    folder = running.folder / PICTURES
    folder.mkdir(exist_ok=True)
    write_image(folder / f"{steps:07d}.png", prediction_grid(shown, prediction, plan.preset))


def _first_of_each(batch: Batch, phase: Phase) -> Batch:
    """One picture of every set."""
    starts = torch.tensor(list(accumulate((part.per_batch for part in phase.parts[:-1]), initial=0)))
    return Batch(
        batch.image[starts],
        batch.target[starts],
        batch.valid[starts],
        Pairs(*(t[starts] for t in batch.pairs)),
    )
