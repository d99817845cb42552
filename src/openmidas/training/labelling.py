"""Photographs labelled by networks and folders of labels, every core with a picture of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch

from openmidas.files.cores import usable_cores
from openmidas.files.images import read_image
from openmidas.models.presets import EMBEDDED, preset_named
from openmidas.networks.predictor import predictor_of
from openmidas.training.bar import Bar, no_bar
from openmidas.training.held import named_photos
from openmidas.training.labels import Answer, averaged, from_files, label, list_labels, write_label
from openmidas.training.starting import earlier_network

Failed = Callable[[Path, Exception], None]  # photograph, what went wrong with it


def _ends_all(photo: Path, error: Exception) -> None:
    raise error


def label_photos(
    photos: Path, out: Path, by: Sequence[Path], bar: Bar = no_bar, failed: Failed = _ends_all
) -> int:
    """Write the label of every photograph as `out/NAME.png`; those there already are kept. How many were written.

    by: folders of labels from elsewhere, checkpoints and ONNX files of runs; none means the shipped network.
    failed: told of photographs that cannot be labelled, by name; without, the first one ends the rest.
    """
    answers = [_answer(path) for path in by or [EMBEDDED]]
    missing = [path for name, path in named_photos(photos).items() if not (out / f"{name}.png").exists()]
    out.mkdir(parents=True, exist_ok=True)
    made = 0
    with (
        _one_thread_each(),
        bar(len(missing), "Labelling") as advance,
        ThreadPoolExecutor(usable_cores()) as pool,
    ):
        for photo, result in zip(missing, pool.map(partial(_label_file, out, answers), missing), strict=True):
            if isinstance(result, Exception):
                failed(photo, result)
            else:
                made += result
            advance()
    return made


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Within the block PyTorch computes each picture in one thread: every core has a picture of its own."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _label_file(out: Path, answers: Sequence[Answer], photo: Path) -> bool | Exception:
    """Whether there is a label now, or what went wrong."""
    try:
        values = label(photo.stem, read_image(photo), answers)
        if values is not None:
            write_label(out / f"{photo.stem}.png", values)
    except Exception as error:  # whatever it is, it must not take the other photographs along
        return error
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
