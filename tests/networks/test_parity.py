"""The published networks give what the published code gives, for the weights and inputs of `rule`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from rule import PARITY, draw, published_keys, stored_weights

from openmidas.networks import PUBLISHED, load
from openmidas.networks.checkpoint import renamed
from openmidas.networks.decoder import DepthNetwork

NAMES = sorted(path.stem for path in (PARITY / "keys").glob("*.json"))
LARGEST_ERROR = 1e-4  # relative, Euclidean norms
# These weights drive Next-ViT's attention to a hard choice of the largest of numbers near 1e26. Two candidates are
# closer than single precision can tell apart, and any other order of summation picks the other one. Double is right.
DOUBLE = ("dpt_next_vit_large_384",)


def truths(name: str) -> list[tuple[tuple[int, int], np.ndarray]]:
    """Every input size (height, width) of a network, and every fourth pixel of what it gives."""
    paths = sorted(PARITY.glob(f"{name}_*x*.npz"))
    sizes = [tuple(int(side) for side in path.stem.rpartition("_")[2].split("x")) for path in paths]
    return [(size, np.load(path)["output"]) for size, path in zip(sizes, paths, strict=True)]


def loaded(name: str, folder: Path) -> DepthNetwork:
    """The network, through a checkpoint file on the disk."""
    checkpoint = folder / f"{name}.pt"
    torch.save(stored_weights(name), checkpoint)
    network = load(name, checkpoint)
    checkpoint.unlink()
    return network


@pytest.mark.parametrize("name", NAMES)
def test_network_agrees_with_the_published_one(name: str, tmp_path: Path) -> None:
    network = loaded(name, tmp_path)
    kind = torch.float64 if name in DOUBLE else torch.float32
    body = torch.nn.Sequential(network.encoder, network.reassemble, network.decoder).to(kind)
    expected = truths(name)
    assert len(expected) in (1, 2)
    for size, truth in expected:
        with torch.inference_mode():
            output = network.head(body(torch.from_numpy(draw("input", (1, 3, *size))).to(kind)))
        assert output.shape == (1, *size)
        found = output[0, ::4, ::4].numpy()
        assert np.linalg.norm(found - truth) / np.linalg.norm(truth) < LARGEST_ERROR


@pytest.mark.parametrize("name", NAMES)
def test_every_stored_entry_has_one_place(name: str) -> None:
    """The rename table is total, and one-to-one on what it keeps."""
    places = [renamed(key, PUBLISHED[name].renames) for key in published_keys(name)]
    kept = [place for place in places if place is not None]
    assert len(kept) == len(set(kept))
    assert len(kept) > 0.5 * len(places)
