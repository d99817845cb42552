"""What a network's file says of itself is what its preset says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from openmidas.files import FileError
from openmidas.models.presets import PRESETS, described, preset_described

FILE = Path("network.onnx")


@pytest.mark.parametrize("name", PRESETS)
def test_a_description_gives_the_preset_back(name: str) -> None:
    preset = replace(PRESETS[name], path=FILE)
    assert preset_described(FILE, described(preset), None) == preset


def test_a_name_of_ones_own_is_not_needed_nor_a_rule_where_the_size_is_fixed() -> None:
    entries = described(PRESETS["tiny"])
    for key in ("name", "side_px", "resize"):
        del entries[key]
    preset = preset_described(FILE, entries, (192, 320))
    assert (preset.name, preset.fixed) == ("network", (192, 320))


@pytest.mark.parametrize("key", ["side_px", "resize", "interpolation", "mean", "std", "quantity", "output"])
def test_what_is_missing_is_named(key: str) -> None:
    entries = described(PRESETS["tiny"])
    del entries[key]
    with pytest.raises(FileError, match=f"network.onnx: has no entry '{key}' in its metadata: it needs name"):
        preset_described(FILE, entries, None)


@pytest.mark.parametrize(
    ("key", "value"),
    [("side_px", "big"), ("resize", "stretch"), ("mean", "0.5"), ("ambiguity", "relative"), ("output", "z")],
)
def test_what_makes_no_sense_is_refused(key: str, value: str) -> None:
    with pytest.raises(FileError, match=r"network\.onnx: has metadata that make no sense"):
        preset_described(FILE, described(PRESETS["tiny"]) | {key: value}, None)
