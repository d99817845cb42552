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
from openmidas.training.recipes import RECIPES
from openmidas.training.starting import check_start, earlier_network, first_network, trained_network

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


def test_timms_encoder_serves_by_its_own_names(tmp_path: Path) -> None:
    stem = torch.rand(32, 3, 3, 3)
    keys = json.loads((KEYS / f"{NAME}.json").read_text())
    # where the checkpoint has them, and where timm
    places = {"layer1.0": "conv_stem", "layer1.1": "bn1", "layer1.3": "blocks.0", "layer1.4": "blocks.1"}
    places |= {"layer2.0": "blocks.2", "layer3.0": "blocks.3", "layer3.1": "blocks.4"}
    places |= {"layer4.0": "blocks.5", "layer4.1": "blocks.6"}
    weights = {"conv_head.weight": torch.zeros(1280, 384, 1, 1), "classifier.bias": torch.zeros(1000)}
    for key, (_, shape, _) in keys.items():
        place, rest = key.removeprefix("pretrained.")[:8], key.removeprefix("pretrained.")[8:]
        if place in places and "num_batches" not in key:
            weights[places[place] + rest] = torch.full(shape, 0.5)
    torch.save({"state_dict": weights | {"conv_stem.weight": stem}}, tmp_path / "lite3.pth")
    encoder = first_network(NAME, None, tmp_path / "lite3.pth", PICTURES).encoder
    assert torch.equal(encoder.stem.conv.weight, stem)
    assert all((parameter == 0.5).all() for parameter in list(encoder.parameters())[1:])
    del weights["blocks.6.0.bn3.bias"]
    torch.save(weights | {"conv_stem.weight": stem}, tmp_path / "lite3.pth")
    with pytest.raises(
        FileError, match=r"lite3\.pth: holds no .* it lacks stages\.6\.0\.project\.norm\.bias$"
    ):
        first_network(NAME, None, tmp_path / "lite3.pth", PICTURES)


@pytest.mark.parametrize("recipe", ["tiny", "midas-2020", "dpt-2021"])
def test_recipes_for_an_encoder_that_has_learnt_do_not_train_a_random_one(recipe: str) -> None:
    phase = RECIPES[recipe].phases[0]
    with pytest.raises(ValueError, match=r"would be random: give --encoder, .* or --start"):
        check_start(phase, None, None)
    check_start(phase, Path("tiny.onnx"), None)
    check_start(phase, None, Path("mobilenet.npz"))
    check_start(RECIPES["smoke"].phases[0], None, None)  # at nearly the decoder's rate it learns from nothing


@pytest.mark.parametrize("seed", [3, 5])  # of which the last ReLU would cut off all but 2 % of the pixels
def test_random_networks_begin_above_zero_where_every_pixel_can_learn(seed: int) -> None:
    torch.manual_seed(seed)
    network = first_network(NAME, None, None, PICTURES).train()
    with torch.no_grad():
        assert (network(PICTURES) > 0).float().mean() > 0.99


def test_a_trained_network_is_read_from_runs_and_published_files_alike(trained: Path, tmp_path: Path) -> None:
    stored = torch.load(trained, weights_only=True)["average"]
    network = trained_network(NAME, trained)
    assert not network.training
    assert all(torch.equal(value, stored[key]) for key, value in network.state_dict().items())
    tiny = first_network("tiny", EMBEDDED, None, PICTURES)
    write_network(tmp_path / "best.pt", tiny)
    with torch.no_grad():
        predicted = trained_network("tiny", tmp_path / "best.pt")(PICTURES)
        torch.testing.assert_close(predicted, tiny.eval()(PICTURES), rtol=1e-3, atol=1e-3)
        assert torch.equal(trained_network("tiny", EMBEDDED)(PICTURES), earlier_network(EMBEDDED)(PICTURES))


def test_what_holds_no_mobilenet_is_refused_in_one_line(tmp_path: Path) -> None:
    torch.save({"features.0.0.weight": torch.zeros(32, 3, 3, 3)}, tmp_path / "half.pth")
    (tmp_path / "bad.npz").write_text("no arrays")
    for name in ("half.pth", "bad.npz"):
        with pytest.raises(
            FileError, match=f"{name}: holds no weights of MobileNetV2: it must be torchvision's"
        ):
            first_network("tiny", None, tmp_path / name, PICTURES)


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
