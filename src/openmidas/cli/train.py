"""`openmidas label` and `openmidas train`: a network of one's own from a folder of photographs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from google.protobuf.message import DecodeError
from torch import nn

from openmidas.cli.progress import progress_bar
from openmidas.depth_map import DepthMap
from openmidas.evaluation.folder import Measured, read_measured, scores_by_set
from openmidas.files.cores import usable_cores
from openmidas.files.errors import file_error
from openmidas.files.images import read_image
from openmidas.models.presets import EMBEDDED, described, preset_named
from openmidas.networks.export import export_onnx, load_exported_weights
from openmidas.networks.mobilenet import load_folded_weights
from openmidas.networks.normalisation import calibrate_norms, fold_norms
from openmidas.networks.predictor import predictor_of
from openmidas.networks.stored import read_stored
from openmidas.networks.tiny import TinyNetwork, insert_tiny_norms
from openmidas.training.augment import Sample
from openmidas.training.data import (
    Source,
    batches,
    list_photos,
    read_kinect,
    read_labelled_photos,
    read_synthetic,
)
from openmidas.training.labels import Answer, averaged, from_files, label, list_labels, write_label
from openmidas.training.loop import train
from openmidas.training.recipes import RECIPES, Recipe, sources

PRESET = preset_named("tiny")
EVERY_STEPS = 250
CHECKED_SHAPES = ((256, 320), (256, 256), (192, 352), (320, 64))


class Inputs(NamedTuple):
    """Where a run's data and its first weights lie."""

    photos: Path
    labels: Path
    kinect: Path | None
    hold_out: Sequence[range]  # numbers of Kinect pictures that are measured on, never trained on
    synthetic: Path | None
    measured: Path | None
    encoder: Path | None  # folded MobileNetV2 weights
    start: Path | None  # checkpoint or ONNX file of an earlier run


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
        return averaged(lambda picture, side_px: predictor_of(network, PRESET, side_px)(picture), image)

    return answer


def train_network(inputs: Inputs, recipe: Recipe, out: Path) -> Path:
    """Train, or go on from `out/checkpoint.pt`, then write `out/tiny.onnx`; its path."""
    kinect, held_out = _kinect(inputs)
    synthetic = read_synthetic(inputs.synthetic) if inputs.synthetic else []
    parts = sources(recipe, read_labelled_photos(inputs.photos, inputs.labels), kinect, synthetic)
    network = _first_network(inputs, parts, recipe)
    measured = read_measured(inputs.measured) if inputs.measured else []
    average = train(network, parts, recipe.schedule, out, _evaluation([held_out, measured]), EVERY_STEPS)
    export_onnx(
        fold_norms(average), out / "tiny.onnx", described(PRESET), CHECKED_SHAPES, numbers="stored_float16"
    )
    return out / "tiny.onnx"


def recipe_named(name: str, steps: int | None, bfloat16: bool) -> Recipe:
    """A recipe of the table, with another number of steps if given."""
    recipe = RECIPES[name]
    schedule = replace(recipe.schedule, steps=steps or recipe.schedule.steps, bfloat16=bfloat16)
    return replace(recipe, schedule=schedule)


def _first_network(inputs: Inputs, parts: Sequence[Source], recipe: Recipe) -> TinyNetwork:
    """What training begins with, norms included."""
    if inputs.start and inputs.start.suffix != ".onnx":
        return _averaged_network(inputs.start)
    network = earlier_network(inputs.start) if inputs.start else TinyNetwork()
    if inputs.encoder:
        load_folded_weights(network.encoder, inputs.encoder)
    insert_tiny_norms(network)
    if inputs.start:
        calibrate_norms(network, next(batches(parts, recipe.schedule.sizes, 0, range(1))).image)
    return network


def earlier_network(path: Path) -> TinyNetwork:
    """The network of an ONNX file, or the averaged one of a run's checkpoint, norms folded."""
    if path.suffix != ".onnx":
        return fold_norms(_averaged_network(path))
    network = TinyNetwork()
    try:
        load_exported_weights(network, path)
    except (RuntimeError, DecodeError) as error:
        raise file_error(path, "holds no network of this version's kind: train one anew") from error
    return network.eval()


def _averaged_network(checkpoint: Path) -> TinyNetwork:
    network = TinyNetwork()
    insert_tiny_norms(network)
    stored, prefix = read_stored(checkpoint).get("average", {}), "module."
    try:
        network.load_state_dict(
            {k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)}
        )
    except RuntimeError as error:
        raise file_error(checkpoint, "is no checkpoint of a run of this version: train one anew") from error
    return network


def _kinect(inputs: Inputs) -> tuple[list[Sample], list[Measured]]:
    """The pictures to train on, and those held out as measured ones."""
    if inputs.kinect is None:
        return [], []
    held_out = {number for block in inputs.hold_out for number in block}
    kept = read_kinect(inputs.kinect, lambda number: number not in held_out)
    rooms = read_kinect(inputs.kinect, held_out.__contains__)
    return kept, [
        Measured("rooms", room.image, DepthMap.from_values(room.target, "inverse_depth", "metric"))
        for room in rooms
    ]


def _evaluation(groups: Sequence[Sequence[Measured]]) -> Callable[[nn.Module], dict[str, float]]:
    """Scores of every set of every group of pictures, as numbers of a log line."""

    def evaluate(network: nn.Module) -> dict[str, float]:
        network.eval()
        predict = predictor_of(network, PRESET)
        scores = {name: s for group in groups if group for name, s in scores_by_set(predict, group).items()}
        network.train()
        return {
            f"{name} {field}": round(value, 4)
            for name, values in scores.items()
            for field, value in values._asdict().items()
        }

    return evaluate
