"""`openmidas label` and `openmidas train`: what the command line says becomes a run, and the run is told of."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np
from torch import nn

from openmidas.cli.meaning import check_name
from openmidas.cli.options import say_what_failed
from openmidas.cli.progress import byte_bar, progress_bar
from openmidas.depth_map import DepthMap
from openmidas.evaluation.folder import Measured, scores_by_set
from openmidas.evaluation.measuring import errors_by_set, measurable, read_chosen
from openmidas.evaluation.run import DataSet
from openmidas.models.batch import one_line
from openmidas.models.predictor import NetworkPredictor
from openmidas.models.predictor import Running as Computing
from openmidas.models.presets import PRESETS, preset_named
from openmidas.models.weights import CHECKPOINTS, fetch
from openmidas.networks.predictor import torch_engine
from openmidas.training.adapting import Wanted, WantedError
from openmidas.training.datasets.layouts import LAYOUTS
from openmidas.training.held import read_kinect
from openmidas.training.labelling import label_photos
from openmidas.training.loop import Precision
from openmidas.training.recipe_files import read_recipe
from openmidas.training.recipes import RECIPES, Mixing, Recipe
from openmidas.training.run import Telling, train_recipe
from openmidas.training.sources import folder_names, held_out, held_out_worlds, is_made

TRAINING_DEVICES = ("cpu", "cuda")
MEASURED_WORLDS = 8


def label_all(photos: Path, out: Path, by: Sequence[str]) -> bool:
    """Label photographs and say how many, with bars; False when some failed. See `training.labelling`."""
    for name in (word for word in by if word in CHECKPOINTS):
        with byte_bar(name) as show:
            fetch(CHECKPOINTS[name], progress=show)
    failures: list[str] = []
    made = label_photos(
        photos, out, by, progress_bar, lambda photo, error: failures.append(one_line(photo, error))
    )
    click.echo(f"{out}: {made} new labels")
    say_what_failed(failures)
    return not failures


def recipe_named(name: str) -> Recipe:
    """The recipe of that name, or in the file NAME.json; click.UsageError for another name, FileError for the file."""
    if name not in RECIPES and name.endswith(".json"):
        return read_recipe(Path(name))
    check_name("RECIPE", name, (*RECIPES, "your own FILE.json"))
    return RECIPES[name]


def folders_in(texts: Sequence[str], recipe: Recipe) -> dict[str, Path]:
    """The folders of `--data NAME=PATH,NAME=PATH`; ~ is the home folder. click.UsageError for unknown names."""
    known = {name for phase in recipe.phases for part in phase.parts for name in folder_names(part)}
    if texts and not known:
        raise click.UsageError("every set of this recipe is made while it trains: leave --data out")
    found = {}
    for pair in _split(texts):
        name, separator, path = pair.partition("=")
        if not separator or not path:
            raise click.UsageError(f"--data is NAME=FOLDER, such as redweb=sets/ReDWeb_V1, not {pair!r}")
        check_name("--data", name, sorted(known))
        found[name] = _folder(path)
    return found


def measured_in(texts: Sequence[str]) -> dict[str, Path]:
    """The folders of `--measured LAYOUT=DIR,LAYOUT=DIR` by layout; DIR alone has the layout `measured`.

    A name with a slash is no layout, so that ./a=b is a folder. Raises click.UsageError for a layout that there is not,
    or that comes twice.
    """
    found: dict[str, Path] = {}
    for text in _split(texts):
        pair = re.fullmatch(r"([^=/\\]+)=(.+)", text)
        layout, path = pair.groups() if pair else ("measured", text)
        check_name("--measured", layout, tuple(LAYOUTS))
        if layout in found:
            raise click.UsageError(f"--measured has the layout {layout} twice: give one folder of it")
        found[layout] = _folder(path)
    return found


def _folder(path: str) -> Path:
    """That folder; ~ is the home folder, which a shell leaves alone behind =."""
    return Path(os.path.expanduser(path))


def _split(texts: Sequence[str]) -> list[str]:
    """What was given one by one or with commas between; a comma within a path is none of these."""
    return [part for text in texts for part in re.split(r",(?=[^,=]+=)", text)]


def train_aloud(
    name: str, folder: Path, data: Sequence[str], measured: Sequence[str], options: Mapping[str, Any]
) -> None:
    """Train by the recipe of that name, measure, and say what happens; click.UsageError for what cannot be.

    data: see `folders_in`. measured: see `measured_in`; sets that networks are compared on while they are trained.
    options: the others of `Wanted`.
    """
    recipe = recipe_named(name)
    check_name("--network", options["network"], tuple(PRESETS))
    check_name("--mixing", options["mixing"], get_args(Mixing))
    check_name("--device", options["device"], TRAINING_DEVICES)
    check_name("--precision", options["precision"], get_args(Precision))
    wanted = Wanted(folders_in(data, recipe), **options)
    telling = Telling(
        partial(_evaluation, wanted, measured_in(measured)), progress_bar, _say, _say_left_out, _warn
    )
    try:
        written = train_recipe(recipe, folder, wanted, telling)
    except WantedError as error:
        raise click.UsageError(str(error)) from error
    if written is not None:
        click.echo(f"Wrote {written}.")


def _evaluation(
    wanted: Wanted, measured: Mapping[str, Path], recipe: Recipe
) -> Callable[[nn.Module], dict[str, float]]:
    """Errors of every set of pictures held out or measured, by the zero-shot protocol, and their mean as `abs_rel`."""
    preset = preset_named(recipe.network)
    held = [pictures for pictures in (_rooms(recipe, wanted), _worlds(recipe)) if pictures]
    sets = _measurable([read_chosen(layout, folder) for layout, folder in measured.items()])

    def evaluate(network: nn.Module) -> dict[str, float]:
        engine = torch_engine(network, Computing(wanted.device))
        predict = NetworkPredictor(preset, preset.side_px, engine)
        return _logged(
            [_held_errors(predict, pictures) for pictures in held]
            + [errors_by_set(predict, data_set) for data_set in sets]
        )

    return evaluate


def _measurable(sets: Sequence[DataSet]) -> list[DataSet]:
    """The sets without the pictures that nothing can be measured on, which are named."""
    left_out: list[str] = []
    with progress_bar(sum(len(data_set.entries) for data_set in sets), "Reading") as advance:
        kept = [measurable(data_set, left_out.append, advance) for data_set in sets]
    for line in left_out:
        click.echo(f"Not measured on: {line}", err=True)
    return kept


def _held_errors(predict: NetworkPredictor, pictures: Sequence[Measured]) -> dict[str, dict[str, float]]:
    scores = scores_by_set(predict, pictures)
    return {name: values._asdict() for name, values in scores.items() if name != "mean"}


def _logged(errors: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, float]:
    """Every number with the name of its set, and `abs_rel`: every element weighs the same, and every set in it.

    Sets of which only the order of depths is known have none.
    """
    numbers = {
        f"{field} {name}": value
        for by_set in errors
        for name, values in by_set.items()
        for field, value in values.items()
    }
    found = [[v["abs_rel"] for v in by_set.values() if "abs_rel" in v] for by_set in errors]
    means = [np.mean(values) for values in found if values]
    return numbers | ({"abs_rel": float(np.mean(means))} if means else {})


def _rooms(recipe: Recipe, wanted: Wanted) -> list[Measured]:
    """The pictures that the recipe's sets hold out."""
    parts = {part.name: part for part in recipe.phases[-1].parts if part.held_out}
    return [
        Measured(f"{name} held out", room.image, DepthMap.from_values(room.target, "inverse_depth", "metric"))
        for name, part in parts.items()
        for room in read_kinect(wanted.data[folder_names(part)[0]], partial(held_out, part))
    ]


def _worlds(recipe: Recipe) -> list[Measured]:
    """Worlds that were never trained on, for recipes that train on worlds."""
    phase = recipe.phases[-1]
    if not any(is_made(part) for part in phase.parts):
        return []
    worlds = held_out_worlds(phase, MEASURED_WORLDS)
    return [Measured("worlds held out", each.image, each.depth_map) for each in worlds]


def _say(steps: int, numbers: Mapping[str, float]) -> None:
    shown = [f"{name} {value:.3g}" for name, value in numbers.items() if name.startswith(("loss", "abs_rel"))]
    if "pictures_per_s" in numbers:  # not so where only the measuring was left to do
        shown.append(f"{numbers['pictures_per_s']:.3g} pictures/s")
    click.echo(f"{steps} steps: {', '.join(shown)}")


def _say_left_out(names: Sequence[str]) -> None:
    click.echo(f"Left out, for want of a folder: {', '.join(names)}.")


def _warn(line: str) -> None:
    click.echo(line, err=True)
