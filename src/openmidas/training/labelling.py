"""Photographs labelled by networks and folders of labels, as many at a time as there are cores."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from openmidas.files.errors import file_error
from openmidas.files.images import read_image
from openmidas.models.batch import default_jobs, threads_each
from openmidas.models.predictor import NetworkPredictor, load_network
from openmidas.models.presets import PRESETS, Preset, preset_named
from openmidas.models.weights import CHECKPOINTS
from openmidas.networks.predictor import predictor_of
from openmidas.training.bar import Bar, no_bar
from openmidas.training.held import named_photos
from openmidas.training.labels import Answer, averaged, from_files, label, labels_of, write_label
from openmidas.training.recipe_files import read_recipe
from openmidas.training.run_folder import RECIPE
from openmidas.training.starting import trained_network

SIDES = (0.875, 1.125, 1.375)  # of the side that a network was trained for
Failed = Callable[[Path, Exception], None]  # photograph, what went wrong with it


def _ends_all(photo: Path, error: Exception) -> None:
    raise error


def label_photos(
    photos: Path, out: Path, by: Sequence[str | Path], bar: Bar = no_bar, failed: Failed = _ends_all
) -> int:
    """Write the label of every photograph as `out/NAME.png`; those there already are kept. How many were written.

    by: names of networks, and paths of ONNX files that describe themselves, of checkpoints, and of folders of labels
    from elsewhere, which leave out photographs that one of them has none of; none means the shipped network. Published
    weights that are not here are downloaded.
    failed: told of photographs that cannot be labelled, by name; without, the first one ends the rest.
    Raises FileError, also where a folder has a label of no photograph.
    """
    named = named_photos(photos)
    found = {word: labels_of(named, Path(word)) for word in by if _is_folder(word)}
    wanted = {name: path for name, path in named.items() if all(name in labels for labels in found.values())}
    if not wanted:
        raise file_error(photos, "no photograph has a label in every one of the folders: leave one out")
    missing = [path for name, path in wanted.items() if not (out / f"{name}.png").exists()]
    jobs = default_jobs(len(missing))
    made = 0
    with _threads(threads_each(jobs)):
        answers = [
            from_files(found[word]) if word in found else _answer(word, threads_each(jobs))
            for word in by or ["tiny"]
        ]
        out.mkdir(parents=True, exist_ok=True)
        with bar(len(missing), "Labelling") as advance, ThreadPoolExecutor(jobs) as pool:
            results = pool.map(partial(_label_file, out, answers), missing)
            for photo, result in zip(missing, results, strict=True):
                if result is not None:
                    failed(photo, result)
                else:
                    made += 1
                advance()
    return made


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Within the block PyTorch computes each picture in so many threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _label_file(out: Path, answers: Sequence[Answer], photo: Path) -> Exception | None:
    """What went wrong, if something did."""
    try:
        write_label(out / f"{photo.stem}.png", label(photo.stem, read_image(photo), answers))
    except Exception as error:  # whatever it is, it must not take the other photographs along
        return error
    return None


def _is_folder(word: str | Path) -> bool:
    return word not in PRESETS and Path(word).is_dir()


def _answer(word: str | Path, threads: int) -> Answer:
    """Of the network that the word names. threads: for one picture."""
    network = _network(word, threads)
    _check_invertible(word, network.preset)
    side_px = network.side_px
    sides_px = [round(share * side_px) for share in SIDES] if network.preset.takes_any_size else [side_px]

    def answer(_: str, image: np.ndarray) -> np.ndarray:
        return averaged(lambda picture, side_px: replace(network, side_px=side_px)(picture), image, sides_px)

    return answer


def _network(word: str | Path, threads: int) -> NetworkPredictor:
    path = Path(word)
    if word in PRESETS or path.suffix.lower() == ".onnx":
        return load_network(word, threads=threads)
    if not path.exists():
        raise file_error(path, "is no network (see openmidas models), and no such file or folder")
    name = _name_of(path)
    return predictor_of(trained_network(name, path), preset_named(name))


def _name_of(checkpoint: Path) -> str:
    """The network of a checkpoint: as the recipe beside it says, if it is a run's, or the name of a published file."""
    recipe = checkpoint.with_name(RECIPE)
    if recipe.exists():
        return read_recipe(recipe).network
    published = {known.file_name: known.name for known in CHECKPOINTS.values()}
    return published.get(checkpoint.name, "tiny")


def _check_invertible(word: str | Path, preset: Preset) -> None:
    if preset.quantity == "depth" and preset.ambiguity == "affine_invariant":
        raise file_error(
            word, "says depth up to an unknown shift, which has no inverse: take another network"
        )
