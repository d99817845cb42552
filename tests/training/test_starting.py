"""What training begins with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from openmidas.files.errors import FileError
from openmidas.models.presets import EMBEDDED
from openmidas.networks import PUBLISHED
from openmidas.networks.normalisation import NormalisedConv
from openmidas.training.checkpoints import write_network
from openmidas.training.starting import earlier_network, first_network

NAME = "midas_v21_small_256"
KEYS = Path(__file__).parent.parent / "networks" / "parity" / "keys"
PICTURES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The end of a run."""
    path = tmp_path_factory.mktemp("run") / f"{NAME}.pt"
    write_network(path, PUBLISHED[NAME].build())
    return path


def test_a_published_network_goes_on_from_the_end_of_a_run(trained: Path) -> None:
    stored = torch.load(trained, weights_only=True)["average"]
    network = first_network(NAME, trained, None, PICTURES)
    assert all(torch.equal(value, stored[key]) for key, value in network.state_dict().items())


def test_of_an_encoder_s_file_the_rest_is_left(trained: Path) -> None:
    stored = torch.load(trained, weights_only=True)["average"]
    weights = first_network(NAME, None, trained, PICTURES).state_dict()
    assert all(torch.equal(weights[key], stored[key]) for key in stored if key.startswith("encoder."))
    assert not torch.equal(weights["head.conv1.weight"], stored["head.conv1.weight"])


def test_the_encoder_of_a_published_checkpoint_serves(tmp_path: Path) -> None:
    keys = json.loads((KEYS / f"{NAME}.json").read_text())
    checkpoint = {
        key: torch.full(shape, 0.5, dtype=getattr(torch, dtype))
        if "num_batches" not in key
        else torch.tensor(0)
        for key, (dtype, shape, _) in keys.items()
    }
    torch.save(checkpoint, tmp_path / "published.pt")
    network = first_network(NAME, None, tmp_path / "published.pt", PICTURES)
    assert (next(network.encoder.parameters()) == 0.5).all()
    assert not (network.head.conv1.weight == 0.5).any()


def test_another_networks_encoder_is_refused_in_one_line(trained: Path, tmp_path: Path) -> None:
    torch.save({"something": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(FileError, match=r"other\.pt: holds no weights of this encoder"):
        first_network(NAME, None, tmp_path / "other.pt", PICTURES)
    with pytest.raises(FileError, match="is no checkpoint of a run"):
        first_network("tiny", trained, None, PICTURES)


def test_the_shipped_network_gets_norms_that_change_nothing_yet() -> None:
    network = first_network("tiny", EMBEDDED, None, PICTURES)
    assert any(isinstance(module, NormalisedConv) for module in network.modules())
    with torch.no_grad():
        torch.testing.assert_close(
            network.eval()(PICTURES), earlier_network(EMBEDDED)(PICTURES), rtol=1e-3, atol=1e-3
        )
