"""Checkpoints of other versions load, those of other networks are refused in one line, code is never run."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
import torch
from rule import stored_weights

from openmidas.files import FileError
from openmidas.networks import load
from openmidas.networks.encoders.beit import resize_position_table

SMALL = "midas_v21_small_256"


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return stored_weights(SMALL)


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def refusal(name: str, path: Path) -> str:
    with pytest.raises(FileError) as caught:
        load(name, path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


def test_unknown_networks_are_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"no published network is called 'midas'.*{SMALL}"):
        load("midas", tmp_path / "any.pt")


def test_a_training_runs_checkpoint_loads_too(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    path = saved(tmp_path / "run.pt", {"optimizer": {"lr": 1}, "model": weights})
    assert not load(SMALL, path).training


def test_what_is_not_needed_is_named_in_the_log(
    tmp_path: Path, weights: dict[str, torch.Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="openmidas"):
        load(SMALL, saved(tmp_path / "small.pt", weights))
    assert "scratch.refinenet4.resConfUnit1.conv1.weight" in caplog.text


def test_missing_and_misshapen_and_unknown_entries_are_named(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    short = {key: value for key, value in weights.items() if key != "scratch.layer1_rn.weight"}
    assert "it lacks decoder.skips.0.weight" in refusal(SMALL, saved(tmp_path / "short.pt", short))
    bent = weights | {"scratch.layer1_rn.weight": torch.zeros(2, 2, 3, 3)}
    assert "(2, 2, 3, 3), not (64, 32, 3, 3)" in refusal(SMALL, saved(tmp_path / "bent.pt", bent))
    more = weights | {"pretrained.surprise": torch.zeros(1)}
    assert "pretrained.surprise" in refusal(SMALL, saved(tmp_path / "more.pt", more))


def test_another_networks_checkpoint_names_both_sides(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    message = refusal("midas_resnet50", saved(tmp_path / "small.pt", weights))
    assert "is no checkpoint of midas_resnet50: it holds pretrained.layer" in message


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"<html>not found</html>"])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.pt"
    path.write_bytes(content)
    refusal(SMALL, path)


def test_a_truncated_checkpoint_is_refused(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    path = saved(tmp_path / "cut.pt", weights)
    os.truncate(path, path.stat().st_size // 2)
    refusal(SMALL, path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "no such file" in refusal(SMALL, tmp_path / "none.pt")


class Trap:
    """Unpickled by a careless reader, this makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.open, (self.path, os.O_CREAT)


def test_code_in_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    message = refusal(SMALL, saved(tmp_path / "trap.pt", {"scratch": Trap(str(sprung))}))
    assert "could run code" in message
    assert not sprung.exists()


def test_position_tables_of_another_grid_are_resized(tmp_path: Path) -> None:
    name = "dpt_beit_base_384"
    weights = stored_weights(name)
    key = "pretrained.model.blocks.3.attn.relative_position_bias_table"
    weights[key] = resize_position_table(weights[key], 14, 14)  # as trained at 224 pixels
    network = load(name, saved(tmp_path / "beit.pt", weights))
    own = network.encoder.blocks[3].attention.position_table
    assert own.shape == (47 * 47 + 3, 12)
    torch.testing.assert_close(own, resize_position_table(weights[key], 24, 24))
