"""Weights and inputs of the numeric truth in `parity`, by rule."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import torch

from openmidas.networks.checkpoint import renamed
from openmidas.networks.published import PUBLISHED

PARITY = Path(__file__).parent / "parity"


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers that follow from a name."""
    n = int(np.prod(shape)) if len(shape) else 1
    generator = np.random.RandomState(zlib.crc32(("v1-" + name).encode()))
    return generator.randn(n).astype(np.float32).reshape(shape)


def weight(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The value of a stored floating entry of a checkpoint."""
    z, last = draw(key, shape), key.rsplit(".", 1)[-1]
    if last == "running_var":
        return np.abs(1 + 0.2 * z).astype(np.float32) + np.float32(0.1)
    if last == "running_mean":
        return 0.1 * z
    if last == "logit_scale":
        return np.full(shape, np.log(10.0), np.float32) + 0.1 * z
    if last in ("gamma_1", "gamma_2"):
        return 0.5 + 0.05 * z
    if len(shape) >= 2 and last == "weight":
        w = (z * np.float32(np.sqrt(1.5 / int(np.prod(shape[1:]))))).astype(np.float32)
        return np.abs(w) if len(shape) == 4 and shape[0] == 1 else w
    if last == "weight":
        return 1 + 0.1 * z
    if last.endswith("bias") and len(shape) == 1:
        return 0.05 * z
    return 0.02 * z


def published_keys(name: str) -> dict[str, tuple[str, tuple[int, ...], str]]:
    """key -> (dtype, shape, "stored" or "computed") of a published checkpoint."""
    text = (PARITY / "keys" / f"{name}.json").read_text()
    return {key: (dtype, tuple(shape), kind) for key, (dtype, shape, kind) in json.loads(text).items()}


def resnet50_weights() -> dict[str, torch.Tensor]:
    """A checkpoint of midas_resnet50, by rule: the keys of its larger sister that it has, in its own shapes."""
    renames = PUBLISHED["midas_resnet50"].renames
    own = PUBLISHED["midas_resnet50"].build().state_dict()
    keys = {key: renamed(key, renames) for key in published_keys("midas_v21_384")}
    return {
        key: torch.from_numpy(np.asarray(weight(key, tuple(own[ours].shape)), np.float32))
        for key, ours in keys.items()
        if ours in own
    }


def stored_weights(name: str) -> dict[str, torch.Tensor]:
    """Every stored floating entry of a published checkpoint, by rule."""
    return {
        key: torch.from_numpy(np.asarray(weight(key, shape), np.float32))
        for key, (dtype, shape, kind) in published_keys(name).items()
        if kind == "stored" and dtype.startswith("float")
    }
