"""`openmidas label` and `openmidas train`: networks of one's own, by a recipe."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import get_args

import click
import cv2
import numpy as np
import torch
from torch import nn

from openmidas.cli.meaning import check_name
from openmidas.cli.progress import progress_bar
from openmidas.depth_map import DepthMap
from openmidas.evaluation.folder import Measured, read_measured, scores_by_set
from openmidas.files.cores import usable_cores
from openmidas.files.images import read_image
from openmidas.models.predictor import NetworkPredictor
from openmidas.models.predictor import Running as Computing
from openmidas.models.presets import EMBEDDED, Preset, described, preset_named
from openmidas.networks.export import export_onnx
from openmidas.networks.normalisation import fold_norms
from openmidas.networks.predictor import check_running, predictor_of, torch_engine
from openmidas.training.checkpoints import LAST, read_network, read_progress, write_network
from openmidas.training.data import Source, draw_batch
from openmidas.training.distributed import Processes, joined, wait_for_all
from openmidas.training.held import list_photos, read_kinect
from openmidas.training.labels import Answer, averaged, from_files, label, list_labels, write_label
from openmidas.training.loop import Precision, Running, plan_of, train
from openmidas.training.memory import keep_freed_memory
from openmidas.training.recipes import Mixing, Part, Phase, Recipe, Sizes
from openmidas.training.run_folder import check_run, note_start, open_run
from openmidas.training.sources import folder_names, held_out, held_out_worlds, is_made, open_source
from openmidas.training.starting import earlier_network, first_network

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
TRAINING_DEVICES = ("cpu", "cuda")
MEASURED_WORLDS = 8
_CHECKED_SHAPES = ((256, 320), (256, 256), (192, 352), (320, 64))  # of the embedded network


def label_photos(photos: Path, out: Path, by: Sequence[Path]) -> int:
    """Write the label of every photograph as `out/NAME.png`; those there already are kept.

    by: folders of labels from elsewhere, checkpoints and ONNX files of runs; none means the shipped network.
    """
    out.mkdir(parents=True, exist_ok=True)
    answers = [_answer(path) for path in by or [EMBEDDED]]
    missing = [path for path in list_photos(photos) if not (out / f"{path.stem}.png").exists()]
    torch.set_num_threads(1)  # every core has a picture of its own
    with progress_bar(len(missing), "Labelling") as advance, ThreadPoolExecutor(usable_cores()) as pool:
        made = 0
        for written in pool.map(partial(_label_file, out, answers), missing):
            made += written
            advance()
    return made


def _label_file(out: Path, answers: Sequence[Answer], photo: Path) -> bool:
    values = label(photo.stem, read_image(photo), answers)
    if values is not None:
        write_label(out / f"{photo.stem}.png", values)
    return values is not None


def _answer(path: Path) -> Answer:
    if path.is_dir():
        return from_files(list_labels(path))
    network = earlier_network(path)

    def answer(_: str, image: np.ndarray) -> np.ndarray:
        return averaged(
            lambda picture, side_px: predictor_of(network, preset_named("tiny"), side_px)(picture), image
        )

    return answer


@dataclass(frozen=True)
class Wanted:
    """The options of the command line, by their names; None leaves what the recipe says.

    data: folders by the recipe's names. batch: how many pictures a minibatch has at most; its sets keep their shares.
    start, encoder: what to begin with, see `first_network`. measured: pictures with measured depth that networks are
    compared on while they are trained.
    """

    data: Mapping[str, Path]
    network: str | None = None
    steps: int | None = None
    batch: int | None = None
    mixing: Mixing | None = None
    device: str = "cpu"
    precision: Precision = "float32"
    start: Path | None = None
    encoder: Path | None = None
    measured: Path | None = None


def train_recipe(recipe: Recipe, folder: Path, wanted: Wanted) -> Path | None:
    """Train, or go on in `folder`, to the recipe's end; the ONNX file that was written, by the first process alone."""
    missing = left_out(recipe, wanted)
    recipe = adapted(recipe, wanted)
    _check(recipe, wanted)
    cv2.setNumThreads(1)  # every thread has pictures of its own
    if wanted.device == "cpu":
        keep_freed_memory()
    with joined(wanted.device) as processes:
        _check_shares(recipe, processes)
        if missing and processes.number == 0:
            click.echo(f"Left out, for want of a folder: {', '.join(missing)}.")
        return _train(recipe, folder, wanted, processes)


def _train(recipe: Recipe, folder: Path, wanted: Wanted, processes: Processes) -> Path | None:
    """Nothing is written before all that the run needs has been opened."""
    is_first = processes.number == 0
    check_run(folder, recipe)
    done = read_progress(folder).steps
    phases = [phase for phase in recipe.phases if recipe.first_step(phase) + phase.steps > done]
    phases = phases or [recipe.phases[-1]]
    sets = _opened(phases, wanted.data)
    network = _first_network(recipe, phases[0], sets, wanted)
    if done:
        read_network(folder / LAST, network)
    evaluate = _evaluation(recipe, wanted) if is_first else _no_evaluation
    if is_first:
        open_run(folder, recipe)
        circumstances = {"steps_done": done, "processes": processes.count, "threads": torch.get_num_threads()}
        note_start(folder, circumstances | _as_text(wanted))
    with _bar(recipe, done, is_first) as advance:
        say = _say if is_first else _say_nothing
        running = Running(folder, evaluate, wanted.device, wanted.precision, processes, advance, say)
        for phase in phases:
            sources = sets.pop(phase.name)
            if phase.relabels and "labels" in wanted.data:
                sources |= _opened([phase], _relabelled(phase, wanted, running))[phase.name]
            network = train(network, sources, recipe, phase, running)
    return _write_result(network, recipe.network, folder) if is_first else None


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


def _first_network(
    recipe: Recipe, phase: Phase, sets: Mapping[str, Mapping[str, Source]], wanted: Wanted
) -> nn.Module:
    torch.manual_seed(recipe.seed)
    pictures = draw_batch(sets[phase.name], plan_of(recipe, phase), recipe.first_step(phase)).image
    return first_network(recipe.network, wanted.start, wanted.encoder, pictures)


def _relabelled(phase: Phase, wanted: Wanted, running: Running) -> Mapping[str, Path]:
    """The folders, with labels that the network so far and the given ones made together."""
    labels = running.folder / f"labels-{phase.name}"
    if running.processes.number == 0:
        label_photos(wanted.data["photos"], labels, [wanted.data["labels"], running.folder / LAST])
    wait_for_all()
    return {**wanted.data, "labels": labels}


# -- what the command line changes of a recipe ---------------------------------------------------------------------


def folders_in(texts: Sequence[str], recipe: Recipe) -> dict[str, Path]:
    """The folders of `--data NAME=PATH,NAME=PATH`; click.UsageError for a name that the recipe has not."""
    known = {name for phase in recipe.phases for part in phase.parts for name in folder_names(part)}
    found = {}
    for text in texts:
        for pair in re.split(r",(?=[^,=]+=)", text):
            name, separator, path = pair.partition("=")
            if not separator or not path:
                raise click.UsageError(f"--data is NAME=FOLDER, such as redweb=sets/ReDWeb_V1, not {pair!r}")
            check_name("--data", name, sorted(known))
            found[name] = Path(path)
    return found


def adapted(recipe: Recipe, wanted: Wanted) -> Recipe:
    """The recipe with what the command line says otherwise, without the sets and phases that it has no folder for."""
    network = preset_named(wanted.network or recipe.network)
    kept = [_with_parts(phase, wanted) for phase in recipe.phases if _parts_there(phase, wanted)]
    if not kept:
        parts_of_all = [part for phase in recipe.phases for part in phase.parts]
        names = dict.fromkeys(name for part in parts_of_all for name in folder_names(part))
        known = ", ".join(names)
        raise click.UsageError(f"give at least one folder with --data NAME=FOLDER: NAME is one of {known}")
    lengths = [phase.steps for phase in kept]
    phases = tuple(
        replace(
            phase, steps=steps, sizes=_sizes(recipe, phase, network), mixing=wanted.mixing or phase.mixing
        )
        for phase, steps in zip(kept, _shared_out(wanted.steps or sum(lengths), lengths), strict=True)
    )
    return replace(recipe, network=network.name, phases=phases)


def _with_parts(phase: Phase, wanted: Wanted) -> Phase:
    """The phase of the sets that are there, with no more pictures a minibatch than wanted."""
    parts = _parts_there(phase, wanted)
    counts = [part.per_batch for part in parts]
    batch = min(wanted.batch or sum(counts), sum(counts))
    if batch < len(parts):
        raise click.UsageError(f"--batch {batch} is too small for a picture of each of {len(parts)} sets")
    fewer = zip(parts, _shared_out(batch, counts), strict=True)
    return replace(phase, parts=tuple(replace(part, per_batch=count) for part, count in fewer))


def _parts_there(phase: Phase, wanted: Wanted) -> list[Part]:
    return [part for part in phase.parts if _is_there(part, wanted)]


def _is_there(part: Part, wanted: Wanted) -> bool:
    return set(folder_names(part)) <= set(wanted.data)


def _shared_out(total: int, sizes: Sequence[int]) -> list[int]:
    """That many steps, or pictures, in the proportion of these sizes, one for each at least."""
    ends = [0]
    for later, end in zip(reversed(range(len(sizes))), accumulate(sizes), strict=True):
        ends.append(max(ends[-1] + 1, min(round(total * end / sum(sizes)), total - later)))
    return [after - before for before, after in pairwise(ends)]


def _sizes(recipe: Recipe, phase: Phase, network: Preset) -> Sizes:
    """Another network than the recipe's sees pictures no larger than its own, or just those that it takes."""
    if network.resize == "square":
        return ((network.side_px, network.side_px),)
    if network.name == recipe.network:
        return phase.sizes
    return tuple((min(height, network.side_px), min(width, network.side_px)) for height, width in phase.sizes)


def left_out(recipe: Recipe, wanted: Wanted) -> list[str]:
    """The recipe's sets that there are no folders of, and the phases that had no other."""
    parts = {part.name: part for phase in recipe.phases for part in phase.parts}
    phases = [phase for phase in recipe.phases if not _parts_there(phase, wanted)]
    missing = [name for name, part in parts.items() if not _is_there(part, wanted)]
    return missing + [f"the phase {phase.name}" for phase in phases]


def _check(recipe: Recipe, wanted: Wanted) -> None:
    """click.UsageError for what cannot be trained here."""
    if preset_named(recipe.network).ambiguity == "metric":
        raise click.UsageError(
            f"{recipe.network} knows metres, which these losses leave open: take another network"
        )
    try:
        check_running(Computing(wanted.device))
    except ValueError as error:
        raise click.UsageError(f"--device: {error}") from error


def _check_shares(recipe: Recipe, processes: Processes) -> None:
    """click.UsageError where a set's part of the minibatch cannot be shared out equally."""
    for part in (part for phase in recipe.phases for part in phase.parts):
        if part.per_batch % processes.count:
            sharing = f"{part.per_batch} pictures of {part.name} a minibatch, and {processes.count} processes"
            raise click.UsageError(f"the recipe has {sharing}: take a number of them that divides it")


# -- what a run tells, and what it ends with -----------------------------------------------------------------------


def _evaluation(recipe: Recipe, wanted: Wanted) -> Callable[[nn.Module], dict[str, float]]:
    """Errors of every set of pictures held out or measured, by the zero-shot protocol, and their mean as `abs_rel`."""
    preset = preset_named(recipe.network)
    groups = [group for group in (_rooms(recipe, wanted), _worlds(recipe), _measured(wanted)) if group]

    def evaluate(network: nn.Module) -> dict[str, float]:
        engine = torch_engine(network, Computing(wanted.device))
        predict = NetworkPredictor(preset, preset.side_px, engine)
        groups_scores = [scores_by_set(predict, group) for group in groups]
        numbers = {
            f"{field} {name}": value
            for scores in groups_scores
            for name, values in scores.items()
            if name != "mean"
            for field, value in values._asdict().items()
        }
        if groups_scores:
            numbers["abs_rel"] = float(np.mean([scores["mean"].abs_rel for scores in groups_scores]))
        return numbers

    return evaluate


def _no_evaluation(_: nn.Module) -> dict[str, float]:
    return {}


def _measured(wanted: Wanted) -> list[Measured]:
    return read_measured(wanted.measured) if wanted.measured else []


def _rooms(recipe: Recipe, wanted: Wanted) -> list[Measured]:
    """The pictures that the recipe's sets hold out."""
    parts = {part.name: part for part in recipe.phases[-1].parts if part.held_out}
    return [
        Measured(f"{name} held out", room.image, DepthMap.from_values(room.target, "inverse_depth", "metric"))
        for name, part in parts.items()
        for room in read_kinect(wanted.data[name], partial(held_out, part))
    ]


def _worlds(recipe: Recipe) -> list[Measured]:
    """Worlds that were never trained on, for recipes that train on worlds."""
    phase = recipe.phases[-1]
    if not any(is_made(part) for part in phase.parts):
        return []
    worlds = held_out_worlds(phase, MEASURED_WORLDS)
    return [Measured("worlds held out", each.image, each.depth_map) for each in worlds]


@contextlib.contextmanager
def _bar(recipe: Recipe, done: int, is_first: bool) -> Iterator[Callable[[], None]]:
    if not is_first:
        yield lambda: None
        return
    with progress_bar(sum(phase.steps for phase in recipe.phases) - done, "Training") as advance:
        yield advance


def _say(steps: int, numbers: Mapping[str, float]) -> None:
    shown = [f"{name} {value:.3g}" for name, value in numbers.items() if name.startswith(("loss", "abs_rel"))]
    click.echo(f"{steps} steps: {', '.join(shown)}, {numbers['pictures_per_s']:.3g} pictures/s")


def _say_nothing(steps: int, numbers: Mapping[str, float]) -> None:
    pass


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
