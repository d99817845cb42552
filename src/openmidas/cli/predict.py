"""`openmidas predict`: which files to make of which pictures, making them, saying what became of them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast, get_args

import click

from openmidas.cli import STOPPED, leave
from openmidas.cli.inputs import Inputs, Picture, find_pictures
from openmidas.cli.meaning import check_name, spoken
from openmidas.cli.options import say_what_failed
from openmidas.cli.progress import byte_bar, progress_bar
from openmidas.files import write_depth, write_heatmap
from openmidas.files.errors import FileError, file_error, system_error
from openmidas.files.heatmap import Colormap
from openmidas.models.batch import Job, Outcome, Write, default_jobs, predict_files, threads_each
from openmidas.models.predictor import DEVICES, NetworkPredictor, Precision, Predictor, load_network
from openmidas.models.presets import PRESETS, Preset, check_side

ENDINGS = {
    "png16": "_depth.png",
    "pfm": "_depth.pfm",
    "npz": "_depth.npz",
    "npy": "_depth.npy",
    "tiff": "_depth.tiff",
    "exr": "_depth.exr",
    "heatmap": "_heatmap.png",
}
# what other commands make of a picture beside it: no picture to predict
OTHER_ENDINGS = ("_check.png", "_views.png", "_reach.png")
_ORDER = {"inverse_depth": "near is high, far is low", "depth": "near is low, far is high"}
_UNITS = {
    ("inverse_depth", "metric"): "inverse depth in 1/metres",
    ("depth", "metric"): "depth in metres",
}
_OPEN = {
    "affine_invariant": ", no unit (known up to a scale and a shift)",
    "scale_invariant": ", no unit (known up to a scale)",
    "metric": "",
}


@dataclass(frozen=True)
class Request:
    """The options of the command line, by their names."""

    inputs: Sequence[str]
    output: Path | None
    formats: str
    recursive: bool
    overwrite: bool
    model: str
    size: int | None
    device: str
    precision: str
    compile: bool
    colormap: str
    far_bright: bool
    jobs: int | None

    @property
    def endings(self) -> dict[str, str]:
        """What the names of the files to write end with, by format; click.UsageError for an unknown one."""
        names = [name.strip() for name in self.formats.split(",")]
        for name in names:
            check_name("--format", name, tuple(ENDINGS))
        return {name: ENDINGS[name] for name in names}


@dataclass(frozen=True)
class Plan:
    """What is to be done, how many pictures are done already, and which cannot be done beside the others."""

    jobs: tuple[Job, ...]
    done: int
    collisions: tuple[FileError, ...]


def predict_all(request: Request, started: float) -> bool:
    """Do it, say what was made and what the numbers mean; False when something failed.

    started: `time.perf_counter()` when the command began. Raises click.UsageError for unknown names.
    """
    _check_names(request)
    inputs = find_pictures(request.inputs, request.recursive, (*ENDINGS.values(), *OTHER_ENDINGS))
    plan = plan_outputs(inputs.pictures, request)
    _say_what_is_left_out(inputs, plan)
    failures = [str(problem) for problem in (*inputs.problems, *plan.collisions)]
    if plan.jobs:
        _make_folder(request.output)
        at_once = min(request.jobs or default_jobs(len(plan.jobs)), len(plan.jobs))
        predictor = _load(request, threads_each(at_once))
        outcomes = _outcomes(predictor, plan.jobs, at_once)
        failures += [outcome.failure for outcome in outcomes if outcome.failure is not None]
        made = sum(outcome.failure is None for outcome in outcomes)
        if made:
            click.echo(_summary(plan.jobs, request, made, time.perf_counter() - started))
            click.echo(f"Values are {_meaning(predictor.preset)}.")
    say_what_failed(failures)
    return not failures


def plan_outputs(pictures: Iterable[Picture], request: Request) -> Plan:
    """Which files to make of which picture; no file is made of two pictures, the first one has it."""
    owners: dict[str, Path] = {}
    jobs, collisions, done = [], [], 0
    for picture in pictures:
        outputs = _outputs(picture, request)
        taken = [(path, owners[_key(path)]) for path in outputs if _key(path) in owners]
        if taken:
            path, owner = taken[0]
            problem = (
                f"its {path.name} would overwrite that of {owner}: rename one, or give each its own -o DIR"
            )
            collisions.append(file_error(picture.path, problem))
            continue
        owners.update((_key(path), picture.path) for path in outputs)
        missing = {
            path: write for path, write in outputs.items() if request.overwrite or not os.path.isfile(path)
        }
        if missing:
            jobs.append(Job(picture.path, missing))
        else:
            done += 1
    return Plan(tuple(jobs), done, tuple(collisions))


def _outputs(picture: Picture, request: Request) -> Mapping[Path, Write]:
    folder = picture.path.parent
    if request.output is not None:
        folder = request.output / folder.relative_to(picture.top)
    colours = partial(
        write_heatmap, colormap=cast(Colormap, request.colormap), near_bright=not request.far_bright
    )
    return {
        folder / f"{picture.path.stem}{ending}": colours if name == "heatmap" else write_depth
        for name, ending in request.endings.items()
    }


def _make_folder(folder: Path | None) -> None:
    """Now, so that one that cannot be made is known before the first picture is predicted."""
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise system_error(folder, error) from error


def _key(path: Path) -> str:
    return os.path.normcase(os.path.abspath(path))


def _check_names(request: Request) -> None:
    check_name("--colormap", request.colormap, get_args(Colormap))
    check_name("--device", request.device, DEVICES)
    check_name("--precision", request.precision, get_args(Precision))
    if Path(request.model).suffix.lower() == ".onnx":
        return
    check_name("--model", request.model, tuple(PRESETS))
    try:
        check_side(PRESETS[request.model], request.size)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _outcomes(predictor: Predictor, jobs: Sequence[Job], at_once: int) -> list[Outcome]:
    """One outcome a job, in the order of the jobs; ends the process when it is interrupted."""
    outcomes = []
    try:
        with (
            progress_bar(len(jobs), "Predicting") as advance,
            contextlib.closing(predict_files(predictor, jobs, at_once)) as results,
        ):
            for outcome in results:
                outcomes.append(outcome)
                advance()
    except KeyboardInterrupt:
        leave("Stopped. What is done stays; the same command goes on from here.", STOPPED)
    order = {id(job): number for number, job in enumerate(jobs)}
    return sorted(outcomes, key=lambda outcome: order[id(outcome.job)])


def _load(request: Request, threads: int) -> NetworkPredictor:
    precision = cast(Precision, request.precision)
    try:
        with byte_bar(request.model) as show:
            return load_network(
                request.model, request.size, threads, request.device, precision, request.compile, show
            )
    except FileError:
        raise
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _summary(jobs: Sequence[Job], request: Request, made: int, seconds: float) -> str:
    if len(jobs) == 1:
        return f"Wrote {_listed(map(str, jobs[0].outputs))} in {seconds:.2f} s."
    files = _listed(f"NAME{ending}" for ending in request.endings.values())
    place = "beside them" if request.output is None else f"in {request.output}"
    share = "" if made == len(jobs) else f" of {len(jobs)}"
    return f"{made}{share} pictures done in {seconds:.1f} s ({made / seconds:.3g}/s): {files} {place}."


def _meaning(preset: Preset) -> str:
    quantity = _UNITS.get((preset.quantity, preset.ambiguity), spoken(preset.quantity))
    png = "; a PNG holds its inverse" if preset.quantity == "depth" else ""
    return f"{quantity}: {_ORDER[preset.quantity]}{_OPEN[preset.ambiguity]}{png}"


def _say_what_is_left_out(inputs: Inputs, plan: Plan) -> None:
    if plan.done:
        click.echo(f"{_count(plan.done, 'picture')} skipped, done before; --overwrite does them again.")
    if inputs.left_out:
        click.echo(f"{_count(len(inputs.left_out), 'file')} left out that openmidas itself has made.")


def _listed(things: Iterable[str]) -> str:
    *first, last = things
    return f"{', '.join(first)} and {last}" if first else last


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
