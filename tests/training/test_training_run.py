"""A run from Python: by a recipe, from folders to a network, and on again after it was stopped."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import openmidas
from openmidas.files.errors import FileError
from openmidas.training.adapting import Wanted
from openmidas.training.checkpoints import LAST, write_network
from openmidas.training.labelling import label_photos
from openmidas.training.recipes import RECIPES, Part, Phase, Recipe
from openmidas.training.run import Evaluate, Telling, train_recipe
from openmidas.training.run_folder import note_start, source_state
from openmidas.training.starting import first_network

LABELLED = Part("photos", "labelled", 2, folders=("photos", "labels"))
PHASE = Phase("mix", (LABELLED,), 2, ((32, 64),), 1e-3, 1e-3, log_steps=1, checkpoint_steps=1)
RECIPE = Recipe("tiny", (PHASE,))


class Stopped(Exception):
    """What ends a run in the middle."""


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """As they were."""
    torch_threads, cv2_threads = torch.get_num_threads(), cv2.getNumThreads()
    yield
    torch.set_num_threads(torch_threads)
    cv2.setNumThreads(cv2_threads)


@pytest.fixture
def data(tmp_path: Path) -> Mapping[str, Path]:
    """Two photographs with labels."""
    folders = {"photos": tmp_path / "photos", "labels": tmp_path / "labels"}
    for name, folder in folders.items():
        folder.mkdir()
        for number in range(2):
            shape = (40, 72, 3) if name == "photos" else (40, 72)
            pixels = np.random.default_rng(number).integers(0, 255, shape, dtype=np.uint8)
            cv2.imwrite(str(folder / f"{number}.png"), pixels)
    return folders


def train_until(
    steps: int,
    folder: Path,
    wanted: Wanted,
    recipe: Recipe = RECIPE,
    evaluate: Evaluate = lambda network: {},
) -> None:
    """A run that is stopped after its checkpoint of that step."""

    def say(done: int, numbers: Mapping[str, float]) -> None:
        if done == steps:
            raise Stopped

    with pytest.raises(Stopped):
        train_recipe(recipe, folder, wanted, Telling(lambda _: evaluate, say=say))


def average(folder: Path) -> Mapping[str, torch.Tensor]:
    return torch.load(folder / LAST, weights_only=True)["average"]


@pytest.mark.filterwarnings("ignore")  # of the export to ONNX
def test_a_recipe_is_trained_from_python_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train_recipe(RECIPES["smoke"], tmp_path / "run", Wanted({}, steps=1, batch=5)) == (
        tmp_path / "run" / "tiny.onnx"
    )
    assert capfd.readouterr() == ("", "")
    (line,) = (json.loads(text) for text in (tmp_path / "run" / "log.jsonl").read_text().splitlines())
    assert "loss lidar" in line
    assert not any(name.startswith("abs_rel") for name in line)  # nothing was measured


def test_a_run_goes_on_without_the_file_it_began_with(data: Mapping[str, Path], tmp_path: Path) -> None:
    torch.manual_seed(1)
    start = tmp_path / "start.pt"
    write_network(start, first_network("tiny", None, None, torch.empty(0, 3, 32, 32)))
    wanted = Wanted(data, start=start)
    train_until(2, tmp_path / "whole", wanted)
    train_until(1, tmp_path / "run", wanted)
    start.unlink()
    train_until(2, tmp_path / "run", wanted)
    whole, run = average(tmp_path / "whole"), average(tmp_path / "run")
    assert all(torch.equal(whole[name], run[name]) for name in whole)
    with pytest.raises(FileError, match=r"start\.pt: no such file"):  # a new one needs it
        train_recipe(RECIPE, tmp_path / "other", wanted)


def test_the_last_checkpoint_of_a_phase_is_measured_even_if_the_run_was_killed_before(
    data: Mapping[str, Path], tmp_path: Path
) -> None:
    recipe = Recipe("tiny", tuple(replace(PHASE, name=name, steps=1) for name in ("first", "second")))

    def dies(_: torch.nn.Module) -> Mapping[str, float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_until(2, tmp_path / "run", Wanted(data), recipe, dies)
    assert not (tmp_path / "run" / "log.jsonl").read_text()
    errors = iter([0.25, 0.5])
    train_until(2, tmp_path / "run", Wanted(data), recipe, lambda _: {"abs_rel": next(errors)})
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [(line["step"], line["abs_rel"]) for line in lines] == [(1, 0.25), (2, 0.5)]
    train_until(2, tmp_path / "whole", Wanted(data), recipe)
    whole, run = average(tmp_path / "whole"), average(tmp_path / "run")
    assert all(torch.equal(whole[name], run[name]) for name in whole)


def test_a_run_does_not_go_on_with_other_pictures(data: Mapping[str, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    train_until(1, run, Wanted(data))
    assert json.loads((run / "sets.json").read_text()) == {"mix": {"photos": 2}}
    for folder in data.values():
        shutil.copy(folder / "0.png", folder / "2.png")
    before = sorted(path.name for path in run.rglob("*"))
    with pytest.raises(FileError, match=r"run: began with 2 pictures of photos, which has 3 now: bring") as e:
        train_recipe(RECIPE, run, Wanted(data))
    assert len(str(e.value).splitlines()) == 1
    assert sorted(path.name for path in run.rglob("*")) == before
    for folder in data.values():
        (folder / "2.png").unlink()
    train_until(2, run, Wanted(data))


def test_labelling_leaves_pytorch_the_threads_it_had(data: Mapping[str, Path], tmp_path: Path) -> None:
    torch.set_num_threads(2)
    assert label_photos(data["photos"], tmp_path / "new", [data["labels"]]) == 2
    assert torch.get_num_threads() == 2
    for folder in data.values():
        (folder / "3.png").write_bytes(b"no picture")
    with pytest.raises(FileError, match=r"3\.png"):
        label_photos(data["photos"], tmp_path / "new", [data["labels"]])
    assert torch.get_num_threads() == 2


def test_the_labels_of_a_phase_are_made_anew_from_those_given(
    data: Mapping[str, Path], tmp_path: Path
) -> None:
    second = replace(PHASE, name="second", steps=1, relabels=True)
    recipe = Recipe("tiny", (replace(PHASE, name="first", steps=1), second))
    train_until(2, tmp_path / "run", Wanted(data), recipe)
    assert {path.name for path in (tmp_path / "run" / "labels-second").iterdir()} == {"0.png", "1.png"}


def test_a_start_notes_the_commit_of_the_package_s_own_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        name = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        command = ["git", "-C", str(tmp_path), *name, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    assert source_state(package) is None
    git("init")
    git("commit", "--allow-empty", "-m", "First")
    assert source_state(package) is None  # installed below a repository that knows nothing of it
    git("add", "package")
    git("commit", "-m", "Second")
    assert source_state(package) == {"commit": git("rev-parse", "HEAD"), "changed": False}
    (package / "new.py").touch()
    assert source_state(package) == {"commit": git("rev-parse", "HEAD"), "changed": True}

    monkeypatch.chdir(tmp_path)
    note_start(tmp_path, {})
    line = json.loads((tmp_path / "starts.jsonl").read_text())
    assert line["git"]["commit"] == git("rev-parse", "HEAD")
    assert line["package_git"] == source_state(Path(openmidas.__file__).parent)


def test_too_little_memory_is_one_line_that_names_the_remedy(
    data: Mapping[str, Path], tmp_path: Path
) -> None:
    def say(done: int, numbers: Mapping[str, float]) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")

    with pytest.raises(
        FileError, match=r"run: the memory of the GPU is too small for it: take fewer"
    ) as caught:
        train_recipe(RECIPE, tmp_path / "run", Wanted(data), Telling(say=say))
    assert "\n" not in str(caught.value)
