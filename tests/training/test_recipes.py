"""Recipes name what there is, and say of the papers' runs what the papers say."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import pytest

from openmidas.files.errors import FileError
from openmidas.models.presets import PRESETS
from openmidas.training.datasets.layouts import LAYOUTS
from openmidas.training.loop import plan_of
from openmidas.training.losses import LOSSES
from openmidas.training.recipes import RECIPES, Mixing, Part
from openmidas.training.run_folder import append_line, forget_after, note_start, open_run, read_log
from openmidas.training.sampling import stage_at
from openmidas.training.sources import HELD, WORLDS
from openmidas.training.synthetic.degrade import DEGRADATIONS


@pytest.mark.parametrize("name", RECIPES)
def test_everything_a_recipe_names_exists(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.network in PRESETS
    layouts = {*LAYOUTS, *HELD, *(WORLDS + kind for kind in DEGRADATIONS)}
    for phase in recipe.phases:
        assert phase.mixing in get_args(Mixing)
        assert all(side % 32 == 0 for size in phase.sizes for side in size)
        for part in phase.parts:
            assert part.layout in layouts
            assert part.loss in {*LOSSES, "ranking"}
        stage = stage_at(plan_of(recipe, phase).stages, recipe.first_step(phase))
        assert dict(stage.per_batch) == {part.name: part.per_batch for part in phase.parts}


def test_residuals_are_left_out_by_the_loss_that_does_so_alone() -> None:
    with pytest.raises(ValueError, match="only ssi-trim leaves residuals out, not ssi-mse"):
        Part("photos", "labelled", 4, "ssi-mse", kept=0.9)


def test_the_papers_mix_is_sixty_epochs_of_72_000_pictures_eight_of_each_of_five_sets() -> None:
    recipe = RECIPES["midas-2020"]
    mix = recipe.phases[-1]
    assert recipe.network == "midas_v21_384"
    assert [part.per_batch for part in mix.parts] == [8] * 5
    assert mix.steps * mix.pictures == 60 * 72_000
    assert (mix.encoder_rate, mix.decoder_rate, mix.sizes, mix.mixing) == (
        1e-5,
        1e-4,
        ((384, 384),),
        "pareto",
    )
    assert {(part.loss, part.gradient_weight) for part in mix.parts} == {("ssi-trim", 0.5)}


def test_dpt_mixes_ten_sets() -> None:
    assert len({part.name for part in RECIPES["dpt-2021"].phases[-1].parts}) == 10


def test_every_picture_of_the_embedded_networks_mix_counts_alike() -> None:
    for phase in RECIPES["tiny"].phases:
        each = [part.weight / len(phase.parts) / part.per_batch for part in phase.parts]
        assert each == pytest.approx([1 / 16] * 3)


def test_a_run_folder_holds_the_recipe_and_refuses_another(tmp_path: Path) -> None:
    open_run(tmp_path / "run", RECIPES["smoke"])
    stored = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert stored == json.loads(json.dumps(asdict(RECIPES["smoke"])))
    open_run(tmp_path / "run", RECIPES["smoke"])
    with pytest.raises(FileError, match="another recipe"):
        open_run(tmp_path / "run", RECIPES["tiny"])


def test_half_written_files_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".0123456789abcdef.pt").touch()
    (tmp_path / ".keep").touch()
    open_run(tmp_path, RECIPES["smoke"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [".keep", "recipe.json"]


def test_every_start_is_noted_with_versions_and_git_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    note_start(tmp_path, {"steps_done": 0})
    monkeypatch.chdir(Path(__file__).parent)
    note_start(tmp_path, {"steps_done": 20})
    first, second = (json.loads(line) for line in (tmp_path / "starts.jsonl").read_text().splitlines())
    assert (first["git"], first["steps_done"], second["steps_done"]) == (None, 0, 20)
    assert {"openmidas", "torch", "numpy", "python"} <= set(first["versions"])


def test_the_log_forgets_steps_that_are_done_again_and_lines_cut_short(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        append_line(tmp_path / "log.jsonl", {"step": step, "loss": float("nan"), "rate": 1.23456789})
    with (tmp_path / "log.jsonl").open("a") as stream:
        stream.write('{"step": 40, "lo')
    forget_after(tmp_path, 20)
    assert list(read_log(tmp_path)) == [{"step": n, "loss": None, "rate": 1.2346} for n in (10, 20)]
