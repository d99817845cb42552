"""The paper in miniature: every way to train is trained and measured once, and what it tells is what was measured."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from openmidas.files.image_writing import write_image
from openmidas.networks.mobilenet import MobileNetV2
from openmidas.training.labels import write_label

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "paper_in_miniature.py"


@pytest.fixture(scope="module")
def paper() -> ModuleType:
    """The benchmark, on smaller pictures and minibatches."""
    spec = importlib.util.spec_from_file_location("paper_in_miniature", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    sizes: dict[str, Any] = {"SIZE": (32, 64), "WORLD_SIZE": (40, 80), "BATCH": 5}
    vars(module).update(sizes)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph with its label, and an encoder."""
    folder = tmp_path_factory.mktemp("paper")
    rng = np.random.default_rng(0)
    for name in ("photos", "labels"):
        (folder / name).mkdir()
    write_image(folder / "photos" / "a.png", rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    write_label(folder / "labels" / "a.png", rng.random((48, 64), dtype=np.float32))
    np.savez(folder / "encoder.npz", **{key: w.numpy() for key, w in MobileNetV2().state_dict().items()})
    return folder


def run(paper: ModuleType, folder: Path) -> str:
    """What a run of one step says."""
    files = {"encoder": "encoder.npz", "photos": "photos", "labels": "labels", "out": "out"}
    options = [text for name, file in files.items() for text in (f"--{name}", str(folder / file))]
    sizes = ["--seeds", "0", "--steps", "1", "--pictures", "2", "--held-out", "1"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        paper.main([*options, *sizes, "--draw", str(folder / "chart.webp")])
    return said.getvalue()


@pytest.fixture(scope="module")
def said(paper: ModuleType, folder: Path) -> str:
    return run(paper, folder)


def test_every_arm_is_trained_and_measured(paper: ModuleType, said: str) -> None:
    rows = [line.split(" | ") for line in said.splitlines() if line.startswith("| ")]
    errors = {row[0].removeprefix("| "): row[2] for row in rows if len(row) == 4}
    assert [*errors][1:] == [arm.name for arm in paper.ARMS]
    assert all(0 < float(error) < 10 for error in [*errors.values()][1:])


def test_every_finding_is_judged(paper: ModuleType, said: str) -> None:
    findings = json.loads(said.splitlines()[-1])["findings"]
    assert [(row["better"], row["worse"]) for row in findings] == [*paper.FINDINGS]


def test_what_is_finished_is_not_done_again(paper: ModuleType, folder: Path, said: str) -> None:
    log = folder / "out" / "log.jsonl"
    before = log.read_text()
    again = run(paper, folder)
    assert log.read_text() == before
    assert again.splitlines()[-1] == said.splitlines()[-1]


def test_a_chart_is_drawn(folder: Path, said: str) -> None:
    assert (folder / "chart.webp").read_bytes()[8:12] == b"WEBP"


def test_results_of_other_settings_do_not_count(paper: ModuleType, folder: Path, said: str) -> None:
    files = (folder / "encoder.npz", folder / "photos", folder / "labels", None)
    same, longer = (paper.Settings(folder / "out", steps, 2, 1, *files) for steps in (1, 2))
    assert len(list(paper.results(same))) == len(paper.ARMS)
    assert not list(paper.results(longer))


@pytest.mark.parametrize("what", ["name", "count", "version", "commit"])
def test_results_of_other_labels_or_other_code_do_not_count(
    what: str, paper: ModuleType, folder: Path, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = tmp_path / ("others" if what == "name" else "labels")
    shutil.copytree(folder / "labels", labels)
    settings = paper.Settings(
        folder / "out", 1, 2, 1, folder / "encoder.npz", folder / "photos", labels, None
    )
    if what == "count":
        shutil.copy(labels / "a.png", labels / "b.png")
    elif what != "name":
        changed = {"openmidas": "0"} if what == "version" else {"package_git": {"commit": "0"}}
        known = paper.code()
        monkeypatch.setattr(paper, "code", lambda: {**known, **changed})
    assert not list(paper.results(settings))


def test_a_finding_is_told_seed_by_seed(paper: ModuleType) -> None:
    arms = {
        name: {seed: {"worlds abs_rel": error} for seed, error in enumerate(errors)}
        for name, errors in (("mix", (0.25, 0.5)), ("rgbd alone", (0.5, 0.25, 0.75)))
    }
    (row,) = paper.verdicts(arms, ["worlds"])
    assert row == {"better": "mix", "worse": "rgbd alone", "on": "worlds", "worse_by": [0.25, -0.25]}
    assert paper.mean_and_spread([1, 3]) == "2.000 ± 1.414"


def test_false_matches_spoil_a_seventh_at_most_twice_as_near(paper: ModuleType) -> None:
    exact, spoilt = (paper.made_sample(name, 0, 0) for name in ("exact", "outliers"))
    assert (exact.image == spoilt.image).all()
    wrong = exact.target != spoilt.target
    assert 0.05 < wrong.mean() < 10 / 64
    assert 0 <= spoilt.target.min() <= spoilt.target.max() <= 2 * exact.target.max()


def test_seeds_have_worlds_of_their_own(paper: ModuleType) -> None:
    pictures = [paper.made_sample("exact", seed, 0).image for seed in (0, 1)]
    assert (pictures[0] != pictures[1]).any()
