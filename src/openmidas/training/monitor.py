"""What a run shows while it goes on: numbers to JSON lines and TensorBoard, and pictures of predictions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from openmidas.depth_map import DepthMap
from openmidas.files.heatmap import to_heatmap
from openmidas.models.presets import Preset
from openmidas.training.data import Batch
from openmidas.training.run_folder import LOG, append_line, forget_after

Record = Callable[[int, Mapping[str, float]], None]  # steps done, numbers by name
_GAP_PX = 4


@contextlib.contextmanager
def opened_log(folder: Path | None, done: int) -> Iterator[Record]:
    """Gives the function that notes numbers in `log.jsonl`, and for TensorBoard where that is installed.

    What an earlier run noted of steps after those that are done is dropped. Without a folder nothing is noted.
    """
    if folder is None:
        yield lambda step, numbers: None
        return
    forget_after(folder, done)
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield lambda step, numbers: append_line(folder / LOG, {"step": step, **numbers})
        return
    with SummaryWriter(str(folder / "tensorboard"), purge_step=done + 1) as board:

        def record(step: int, numbers: Mapping[str, float]) -> None:
            append_line(folder / LOG, {"step": step, **numbers})
            for name, value in numbers.items():
                board.add_scalar(name, value, step)

        yield record


def prediction_grid(
    batch: Batch, prediction: Float[Tensor, "b h w"], preset: Preset
) -> UInt8[np.ndarray, "_ _ 3"]:
    """A row for each picture: itself, its truth, the prediction; near is bright, gray where nothing is known."""
    mean, std = (torch.tensor(values)[:, None, None] * 255 for values in (preset.mean, preset.std))
    rows = []
    for image, target, valid, predicted in zip(
        batch.image.cpu(), batch.target.cpu(), batch.valid.cpu(), prediction.float().cpu(), strict=True
    ):
        pixels = (image * std + mean).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
        rows.append([pixels, _colours(target, valid), _colours(predicted, torch.isfinite(predicted))])
    return np.concatenate([_beside(row) for row in rows])


def _colours(values: Float[Tensor, "h w"], valid: Tensor) -> UInt8[np.ndarray, "h w 3"]:
    depth_map = DepthMap.from_values(values.numpy(), "inverse_depth", "affine_invariant", valid.numpy())
    return to_heatmap(depth_map)


def _beside(pictures: list[UInt8[np.ndarray, "h w 3"]]) -> UInt8[np.ndarray, "_ _ 3"]:
    """In one row, on white, with a gap behind and below each."""
    return np.concatenate(
        [np.pad(p, ((0, _GAP_PX), (0, _GAP_PX), (0, 0)), constant_values=255) for p in pictures], axis=1
    )
