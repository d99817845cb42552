"""A run by a recipe, from the folders of its sets to the network that it ends with."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import torch
from torch import nn

from openmidas.files.errors import file_error
from openmidas.models.presets import described, preset_named
from openmidas.networks.export import export_onnx
from openmidas.networks.normalisation import fold_norms
from openmidas.training.adapting import Wanted, WantedError, adapted, check_shares, check_trainable, left_out
from openmidas.training.bar import Bar, no_bar
from openmidas.training.checkpoints import LAST, is_measured, read_network, read_progress, write_network
from openmidas.training.data import Source, draw_batch
from openmidas.training.distributed import Processes, check_launcher, joined, wait_for_all
from openmidas.training.labelling import label_photos
from openmidas.training.loop import Running, plan_of, train
from openmidas.training.memory import keep_freed_memory
from openmidas.training.optimising import check_frozen
from openmidas.training.recipes import Part, Phase, Recipe
from openmidas.training.run_folder import check_run, check_sets, note_start, open_run, write_sets
from openmidas.training.sources import folder_names, is_made, open_source
from openmidas.training.starting import check_start, first_network, new_network

_CHECKED_SHAPES = ((256, 320), (256, 256), (192, 352), (320, 64))  # of the embedded network

Sets = Mapping[str, Mapping[str, Source]]  # by the names of phase and set
Evaluate = Callable[[nn.Module], Mapping[str, float]]


def _measures_nothing(recipe: Recipe) -> Evaluate:
    return lambda network: {}


@dataclass(frozen=True)
class Telling:
    """Who measures a run's networks, and who is told of it: by default nobody. Only the first process asks and tells.

    evaluation: gives `Running.evaluate` for the recipe as it is trained; it is asked before anything is written.
    bar: see `bar.Bar`. say, warn: as in `Running`. left_out: told the names of sets and phases without a folder.
    """

    evaluation: Callable[[Recipe], Evaluate] = _measures_nothing
    bar: Bar = no_bar
    say: Callable[[int, Mapping[str, float]], None] = lambda steps, numbers: None
    left_out: Callable[[Sequence[str]], None] = lambda names: None
    warn: Callable[[str], None] = warnings.warn


_SILENCE = Telling()


def train_recipe(recipe: Recipe, folder: Path, wanted: Wanted, telling: Telling = _SILENCE) -> Path | None:
    """Train, or go on in `folder`, to the recipe's end; the ONNX file that was written, by the first process alone.

    Raises WantedError for what cannot be trained here, FileError for what cannot be read or written.
    """
    missing = left_out(recipe, wanted)
    recipe = adapted(recipe, wanted)
    check_trainable(recipe, wanted.device)
    _check(check_launcher)
    cv2.setNumThreads(1)  # every thread has pictures of its own
    if wanted.device == "cpu":
        keep_freed_memory()
    with joined(wanted.device) as processes:
        check_shares(recipe, processes)
        telling = telling if processes.number == 0 else _SILENCE
        if missing:
            telling.left_out(missing)
        try:
            return _train(recipe, folder, wanted, processes, telling)
        except torch.OutOfMemoryError as error:
            remedy = "take fewer pictures a step (--batch), or less precision (--precision bfloat16)"
            raise file_error(folder, f"the memory of the GPU is too small for it: {remedy}") from error


def _train(
    recipe: Recipe, folder: Path, wanted: Wanted, processes: Processes, telling: Telling
) -> Path | None:
    """Nothing is written before all that the run needs has been opened."""
    check_run(folder, recipe)
    progress = read_progress(folder)
    done = progress.steps
    finished = done if is_measured(folder, progress) else done - 1
    phases = [phase for phase in recipe.phases if recipe.first_step(phase) + phase.steps > finished]
    phases = phases or [recipe.phases[-1]]
    if not done:
        _check(check_start, phases[0], wanted.start, wanted.encoder)
    sets = _opened(phases, wanted.data, recipe.seed)
    if done:
        check_sets(folder, _counts(sets))
    network = _network_so_far(recipe, folder) if done else _first_network(recipe, phases[0], sets, wanted)
    for phase in phases:
        _check(check_frozen, network, phase.frozen)
    evaluate = telling.evaluation(recipe)
    if processes.number == 0:
        open_run(folder, recipe)
        if not done:
            write_sets(folder, _counts(sets))
        circumstances = {"steps_done": done, "processes": processes.count, "threads": torch.get_num_threads()}
        note_start(folder, circumstances | _as_text(wanted))
    with telling.bar(sum(phase.steps for phase in recipe.phases) - done, "Training") as advance:
        running = Running(
            folder, evaluate, wanted.device, wanted.precision, processes, advance, telling.say, telling.warn
        )
        for phase in phases:
            sources = _relabelled(phase, sets.pop(phase.name), wanted, running, telling.bar)
            network = train(network, sources, recipe, phase, running)
    return _write_result(network, recipe.network, folder) if processes.number == 0 else None


def _check(check: Callable[..., None], *arguments: object) -> None:
    """The ValueError of a check as a WantedError."""
    try:
        check(*arguments)
    except ValueError as error:
        raise WantedError(str(error)) from error


def _opened(phases: Sequence[Phase], folders: Mapping[str, Path], seed: int) -> dict[str, dict[str, Source]]:
    """The sets of every phase, by its name and theirs; a set that is in several is opened once."""
    found: dict[tuple[object, ...], Source] = {}
    sets: dict[str, dict[str, Source]] = {}
    for phase in phases:
        sets[phase.name] = {}
        for part in phase.parts:
            key = part.name, part.layout, part.held_out, phase.sizes if is_made(part) else ()
            if key not in found:
                found[key] = open_source(part, folders, phase, seed)
            sets[phase.name][part.name] = replace(found[key], part=part)
    return sets


def _counts(sets: Sets) -> dict[str, dict[str, int]]:
    """How many pictures every phase's sets have, but those without an end."""
    return {
        phase: {name: source.count for name, source in sources.items() if not is_made(source.part)}
        for phase, sources in sets.items()
    }


def _first_network(recipe: Recipe, phase: Phase, sets: Sets, wanted: Wanted) -> nn.Module:
    torch.manual_seed(recipe.seed)
    pictures = draw_batch(sets[phase.name], plan_of(recipe, phase), recipe.first_step(phase)).image
    return first_network(recipe.network, wanted.start, wanted.encoder, pictures)


def _network_so_far(recipe: Recipe, folder: Path) -> nn.Module:
    """The averaged network of the last checkpoint: what the run began with is no longer needed."""
    network = new_network(recipe.network)
    read_network(folder / LAST, network)
    return network


def _relabelled(
    phase: Phase, sources: Mapping[str, Source], wanted: Wanted, running: Running, bar: Bar
) -> Mapping[str, Source]:
    """The sets; where the phase wants it, with labels that the network so far and the given ones made together."""
    labelled = [part for part in phase.parts if part.layout == "labelled"] if phase.relabels else []
    return {**sources, **{part.name: _anew(part, phase, wanted, running, bar) for part in labelled}}


def _anew(part: Part, phase: Phase, wanted: Wanted, running: Running, bar: Bar) -> Source:
    photos, labels = (wanted.data[name] for name in folder_names(part))
    anew = running.folder / f"labels-{phase.name}"
    if running.processes.number == 0:
        label_photos(photos, anew, [labels, running.folder / LAST], bar)
    wait_for_all()
    return open_source(part, dict(zip(folder_names(part), (photos, anew), strict=True)), phase, 0)


def _as_text(wanted: Wanted) -> dict[str, object]:
    """The options, as they can stand in a JSON file."""
    return json.loads(json.dumps(asdict(wanted), default=str))


def _write_result(network: nn.Module, name: str, folder: Path) -> Path:
    """The averaged network as weights to begin with and as an ONNX file to predict with."""
    preset = preset_named(name)
    network = network.cpu()
    write_network(folder / f"{name}.pt", network)
    shapes = _CHECKED_SHAPES if name == "tiny" else [(preset.side_px, preset.side_px)]
    target = folder / f"{name}.onnx"
    export_onnx(
        fold_norms(network),
        target,
        described(preset),
        shapes,
        any_shape=preset.resize != "square",
        numbers="stored_float16" if name == "tiny" else "float32",
    )
    return target
