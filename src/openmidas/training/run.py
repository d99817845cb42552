"""A run by a recipe, from the folders of its sets to the network that it ends with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import torch
from torch import nn

from openmidas.models.presets import described, preset_named
from openmidas.networks.export import export_onnx
from openmidas.networks.normalisation import fold_norms
from openmidas.training.adapting import Wanted, WantedError, adapted, check_shares, check_trainable, left_out
from openmidas.training.bar import Bar, no_bar
from openmidas.training.checkpoints import LAST, read_network, read_progress, write_network
from openmidas.training.data import Source, draw_batch
from openmidas.training.distributed import Processes, joined, wait_for_all
from openmidas.training.labelling import label_photos
from openmidas.training.loop import Running, plan_of, train
from openmidas.training.memory import keep_freed_memory
from openmidas.training.recipes import Part, Phase, Recipe
from openmidas.training.run_folder import check_run, check_sets, note_start, open_run, write_sets
from openmidas.training.sources import folder_names, is_made, open_source
from openmidas.training.starting import check_start, first_network

_CHECKED_SHAPES = ((256, 320), (256, 256), (192, 352), (320, 64))  # of the embedded network

Sets = Mapping[str, Mapping[str, Source]]  # by the names of phase and set
Evaluate = Callable[[nn.Module], Mapping[str, float]]


def _measures_nothing(recipe: Recipe) -> Evaluate:
    return lambda network: {}


@dataclass(frozen=True)
class Telling:
    """Who measures a run's networks, and who is told of it: by default nobody. Only the first process asks and tells.

    evaluation: gives `Running.evaluate` for the recipe as it is trained; it is asked before anything is written.
    bar: see `bar.Bar`. say: as in `Running`. left_out: told the names of sets and phases without a folder.
    """

    evaluation: Callable[[Recipe], Evaluate] = _measures_nothing
    bar: Bar = no_bar
    say: Callable[[int, Mapping[str, float]], None] = lambda steps, numbers: None
    left_out: Callable[[Sequence[str]], None] = lambda names: None


_SILENCE = Telling()


def train_recipe(recipe: Recipe, folder: Path, wanted: Wanted, telling: Telling = _SILENCE) -> Path | None:
    """Train, or go on in `folder`, to the recipe's end; the ONNX file that was written, by the first process alone.

    Raises WantedError for what cannot be trained here, FileError for what cannot be read or written.
    """
    missing = left_out(recipe, wanted)
    recipe = adapted(recipe, wanted)
    check_trainable(recipe, wanted.device)
    cv2.setNumThreads(1)  # every thread has pictures of its own
    if wanted.device == "cpu":
        keep_freed_memory()
    with joined(wanted.device) as processes:
        check_shares(recipe, processes)
        telling = telling if processes.number == 0 else _SILENCE
        if missing:
            telling.left_out(missing)
        return _train(recipe, folder, wanted, processes, telling)


def _train(
    recipe: Recipe, folder: Path, wanted: Wanted, processes: Processes, telling: Telling
) -> Path | None:
    """Nothing is written before all that the run needs has been opened."""
    check_run(folder, recipe)
    done = read_progress(folder).steps
    phases = [phase for phase in recipe.phases if recipe.first_step(phase) + phase.steps > done]
    phases = phases or [recipe.phases[-1]]
    sets = _opened(phases, wanted.data)
    if done:
        check_sets(folder, _counts(sets))
    network = _network_so_far(recipe, folder) if done else _first_network(recipe, phases[0], sets, wanted)
    evaluate = telling.evaluation(recipe)
    if processes.number == 0:
        open_run(folder, recipe)
        if not done:
            write_sets(folder, _counts(sets))
        circumstances = {"steps_done": done, "processes": processes.count, "threads": torch.get_num_threads()}
        note_start(folder, circumstances | _as_text(wanted))
    with telling.bar(sum(phase.steps for phase in recipe.phases) - done, "Training") as advance:
        running = Running(folder, evaluate, wanted.device, wanted.precision, processes, advance, telling.say)
        for phase in phases:
            sources = _relabelled(phase, sets.pop(phase.name), wanted, running, telling.bar)
            network = train(network, sources, recipe, phase, running)
    return _write_result(network, recipe.network, folder) if processes.number == 0 else None


def _opened(phases: Sequence[Phase], folders: Mapping[str, Path]) -> dict[str, dict[str, Source]]:
    """The sets of every phase, by its name and theirs; a set that is in several is opened once."""
    found: dict[tuple[object, ...], Source] = {}
    sets: dict[str, dict[str, Source]] = {}
    for phase in phases:
        sets[phase.name] = {}
        for part in phase.parts:
            key = part.name, part.layout, part.held_out, phase.sizes if is_made(part) else ()
            if key not in found:
                found[key] = open_source(part, folders, phase)
            sets[phase.name][part.name] = replace(found[key], part=part)
    return sets


def _counts(sets: Sets) -> dict[str, dict[str, int]]:
    """How many pictures every phase's sets have, but those without an end."""
    return {
        phase: {name: source.count for name, source in sources.items() if not is_made(source.part)}
        for phase, sources in sets.items()
    }


def _first_network(recipe: Recipe, phase: Phase, sets: Sets, wanted: Wanted) -> nn.Module:
    try:
        check_start(phase.frozen, wanted.start, wanted.encoder)
    except ValueError as error:
        raise WantedError(str(error)) from error
    torch.manual_seed(recipe.seed)
    pictures = draw_batch(sets[phase.name], plan_of(recipe, phase), recipe.first_step(phase)).image
    return first_network(recipe.network, wanted.start, wanted.encoder, pictures)


def _network_so_far(recipe: Recipe, folder: Path) -> nn.Module:
    """The averaged network of the last checkpoint: what the run began with is no longer needed."""
    network = first_network(recipe.network, None, None, torch.empty(0, 3, 32, 32))
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
    return open_source(part, dict(zip(folder_names(part), (photos, anew), strict=True)), phase)


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
