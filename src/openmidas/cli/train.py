"""`openmidas label` and `openmidas train`: a network of one's own from a folder of photographs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from openmidas.cli.progress import advancing
from openmidas.depth_map import DepthMap
from openmidas.evaluation.folder import Measured, read_measured, scores_by_set
from openmidas.files.images import read_image
from openmidas.models.predictor import load
from openmidas.models.presets import preset_named
from openmidas.networks.export import export_onnx, load_exported_weights
from openmidas.networks.mobilenet import load_folded_weights
from openmidas.networks.predictor import predict_with
from openmidas.networks.tiny import TinyNetwork
from openmidas.training.augment import Sample
from openmidas.training.data import list_photos, read_kinect, read_labelled_photos, read_synthetic
from openmidas.training.labels import averaged, write_label
from openmidas.training.loop import train
from openmidas.training.recipes import RECIPES, Recipe, sources

PRESET = preset_named("tiny")
EVERY_STEPS = 250


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


def label_photos(photos: Path, out: Path, checkpoint: Path | None) -> int:
    """Write the averaged answer for every photograph as `out/NAME.png`; those there already are kept."""
    out.mkdir(parents=True, exist_ok=True)
    network = earlier_network(checkpoint) if checkpoint else None

    def predict(image: np.ndarray, side_px: int) -> DepthMap:
        return predict_with(network, image, PRESET, side_px) if network else load(PRESET.name, side_px)(image)

    missing = [path for path in list_photos(photos) if not (out / f"{path.stem}.png").exists()]
    for path in advancing(missing, "Labelling"):
        write_label(out / f"{path.stem}.png", averaged(predict, read_image(path)))
    return len(missing)


def train_network(inputs: Inputs, recipe: Recipe, out: Path) -> Path:
    """Train, or go on from `out/checkpoint.pt`, then write `out/tiny.onnx`; its path."""
    network = earlier_network(inputs.start) if inputs.start else TinyNetwork()
    if inputs.encoder and not inputs.start:
        load_folded_weights(network.encoder, inputs.encoder)
    kinect, held_out = _kinect(inputs)
    synthetic = read_synthetic(inputs.synthetic) if inputs.synthetic else []
    parts = sources(recipe, read_labelled_photos(inputs.photos, inputs.labels), kinect, synthetic)
    measured = read_measured(inputs.measured) if inputs.measured else []
    average = train(network, parts, recipe.schedule, out, _evaluation([held_out, measured]), EVERY_STEPS)
    export_onnx(average, out / "tiny.onnx", {"name": PRESET.name})
    return out / "tiny.onnx"


def recipe_named(name: str, steps: int | None, bfloat16: bool) -> Recipe:
    """A recipe of the table, with another number of steps if given."""
    recipe = RECIPES[name]
    schedule = replace(recipe.schedule, steps=steps or recipe.schedule.steps, bfloat16=bfloat16)
    return replace(recipe, schedule=schedule)


def earlier_network(path: Path) -> TinyNetwork:
    """The network of an ONNX file, or the averaged one of a run's checkpoint."""
    network = TinyNetwork()
    if path.suffix == ".onnx":
        load_exported_weights(network, path)
        return network.eval()
    stored, prefix = torch.load(path, weights_only=True)["average"], "module."
    network.load_state_dict({k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)})
    return network.eval()


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
        predict = partial(predict_with, network, preset=PRESET)
        scores = {name: s for group in groups if group for name, s in scores_by_set(predict, group).items()}
        network.train()
        return {
            f"{name} {field}": round(value, 4)
            for name, values in scores.items()
            for field, value in values._asdict().items()
        }

    return evaluate
