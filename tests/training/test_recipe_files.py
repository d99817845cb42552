"""Recipes of one's own are read strictly: what is wrong with one is said in a line that names the field."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from openmidas.files.errors import FileError
from openmidas.training.recipe_files import read_recipe
from openmidas.training.recipes import RECIPES, Recipe
from openmidas.training.run_folder import open_run

PAGE = Path(__file__).parent.parent.parent / "docs" / "training.md"
PART = {"name": "kitti", "layout": "kitti_train", "per_batch": 2}
PHASE = {
    "name": "mix",
    "parts": [PART],
    "steps": 2,
    "sizes": [[32, 64]],
    "encoder_rate": 1,
    "decoder_rate": 1e-3,
}
SMALL = {"network": "tiny", "phases": [PHASE]}


def read(stored: object, folder: Path) -> Recipe:
    (folder / "mine.json").write_text(json.dumps(stored))
    return read_recipe(folder / "mine.json")


def changed(place: str, value: object) -> dict[str, Any]:
    """The small recipe with another value at `phases.0.steps`, or without one."""
    recipe: Any = copy.deepcopy(SMALL)
    *way, last = (int(step) if step.isdigit() else step for step in place.split("."))
    found = recipe
    for step in way:
        found = found[step]
    found[last] = value
    if value is None:
        del found[last]
    return recipe


@pytest.mark.parametrize("name", RECIPES)
def test_what_a_run_writes_down_is_read_as_the_same_recipe(name: str, tmp_path: Path) -> None:
    open_run(tmp_path / "run", RECIPES[name])
    assert read_recipe(tmp_path / "run" / "recipe.json") == RECIPES[name]


def test_what_has_a_default_may_be_left_out_and_a_whole_number_is_a_rate(tmp_path: Path) -> None:
    (phase,) = read(SMALL, tmp_path).phases
    assert (phase.encoder_rate, type(phase.encoder_rate)) == (1.0, float)
    assert (phase.mixing, phase.parts[0].loss, phase.parts[0].kept) == ("naive", "ssi-trim", None)
    stored = asdict(phase)
    assert set(PHASE) < set(stored)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("network", "resnet", 'network is "resnet", which must be one of tiny'),
        ("seed", -1, "seed is -1, which must be at least 0"),
        ("seed", 1.0, "seed is 1.0, which must be a whole number"),
        ("seed", 10**400, "which must be a whole number"),
        ("sead", 1, "sead is no field: there are network, phases, seed"),
        ("phases", None, "phases is missing"),
        ("phases", [], "phases is empty"),
        ("phases", {}, "phases is {}, which must be a list"),
        ("phases", [PHASE, PHASE], "phases has mix twice"),
        ("phases.0", 3, "phases[0] is 3, which must be an object"),
        ("phases.0.steps", None, "phases[0].steps is missing"),
        ("phases.0.steps", 0, "phases[0].steps is 0, which must be at least 1"),
        ("phases.0.steps", True, "phases[0].steps is true, which must be a whole number"),
        ("phases.0.steps", "2", 'phases[0].steps is "2", which must be a whole number'),
        ("phases.0.name", "../mix", "'../mix' is no name: letters"),
        ("phases.0.mixing", "sum", 'phases[0].mixing is "sum", which must be one of naive, pareto'),
        ("phases.0.mixing", ["naive"], "which must be one of naive, pareto"),
        ("phases.0.sizes", [[32, 33]], "sizes are [height, width] in multiples of 32"),
        ("phases.0.sizes", [[32]], "phases[0].sizes[0] is [32], which must be a list of 2"),
        ("phases.0.encoder_rate", float("nan"), "phases[0].encoder_rate is NaN, which must be at least 0"),
        ("phases.0.encoder_rate", 10**400, "which must be a number"),
        ("phases.0.relabels", 1, "phases[0].relabels is 1, which must be true or false"),
        ("phases.0.relabels", True, "relabels needs just one set of the layout labelled"),
        ("phases.0.parts.0.layout", "kiti", 'layout is "kiti", which must be one of diw'),
        ("phases.0.parts.0.layout", "worlds-", "which must be one of diw"),
        ("phases.0.parts.0.layout", "labelled", "takes 2 folders"),
        ("phases.0.parts.0.folders", ["a", "b"], "takes 1 folder"),
        ("phases.0.parts.0.folders", ["a=b"], "'a=b' is no name"),
        ("phases.0.parts.0.loss", "mse", 'loss is "mse", which must be one of ssi-mse'),
        ("phases.0.parts.0.loss", "ranking", "ranking is for pairs of points, which the layout kitti_train"),
        ("phases.0.parts.0.kept", 1.5, "kept is 1.5, which must be from 0 to 1"),
        ("phases.0.parts.0.held_out", [[0, 9]], "only sets of the layout kinect hold pictures out"),
        ("phases.0.parts", [PART, PART], "phases[0]: parts has kitti twice"),
        ("phases.0.parts.0.name", 7, "phases[0].parts[0].name is 7, which must be a text"),
    ],
)
def test_what_has_no_sense_is_named_with_its_place(
    place: str, value: object, words: str, tmp_path: Path
) -> None:
    with pytest.raises(FileError) as error:
        read(changed(place, value), tmp_path)
    assert "mine.json: " in str(error.value)
    assert words in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_what_the_recipe_s_own_classes_refuse_is_named_with_its_place(tmp_path: Path) -> None:
    part = {**PART, "loss": "ssi-mse", "kept": 0.5}
    with pytest.raises(FileError, match=r"mine\.json: phases\[0\]\.parts\[0\]: .*only ssi-trim"):
        read(changed("phases.0.parts.0", part), tmp_path)


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b"\xff\xfe\xfa", b"[]", b'"tiny"', b"1e"])
def test_what_is_no_recipe_at_all_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_bytes(content)
    with pytest.raises(FileError, match=r"mine\.json: (is no JSON|the recipe is)"):
        read_recipe(tmp_path / "mine.json")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"gone\.json: no such file"):
        read_recipe(tmp_path / "gone.json")


def test_the_recipe_in_the_documentation_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf8"), re.DOTALL)
    (tmp_path / "mine.json").write_text(text)
    (phase,) = read_recipe(tmp_path / "mine.json").phases
    assert {part.layout: part.loss for part in phase.parts}["diw_train"] == "ranking"
    assert len({part.layout for part in phase.parts}) >= 3
