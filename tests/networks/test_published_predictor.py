"""Published networks from a cache folder to depth maps, with weights by rule: the command, and `load`."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rule import resnet50_weights, stored_weights
from torch.nn import functional

import openmidas
from openmidas import networks
from openmidas.files import FileError, read_depth, read_image
from openmidas.models import predictor
from openmidas.models.download import Progress
from openmidas.models.weights import CHECKPOINTS, Checkpoint
from openmidas.training.checkpoints import LAST, write_network
from openmidas.training.labelling import label_photos
from openmidas.training.labels import read_label
from openmidas.training.recipes import RECIPES
from openmidas.training.sharpen import snap_to_edges

COFFEE = Path(__file__).parent.parent.parent / "examples" / "coffee.jpg"
COMMAND = Path(sys.executable).with_name("openmidas")
SMALL, LEVIT = "midas_v21_small_256", "dpt_levit_224"
HALF = (np.full(3, 0.5), np.full(3, 0.5))
IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with the two smallest networks' checkpoints."""
    home = tmp_path_factory.mktemp("home")
    (home / "weights").mkdir()
    for name in (SMALL, LEVIT):
        torch.save(stored_weights(name), home / "weights" / CHECKPOINTS[name].file_name)
    return home


@pytest.fixture
def home(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder in use, offline; the digest of the authors' own file is not asked for."""
    monkeypatch.setenv("OPENMIDAS_HOME", str(cache))
    monkeypatch.setenv("OPENMIDAS_OFFLINE", "1")
    unpinned = {name: replace(c, sha256=None, size_bytes=None) for name, c in CHECKPOINTS.items()}
    monkeypatch.setattr(predictor, "CHECKPOINTS", unpinned)
    return cache


def as_published(
    name: str, home: Path, shape: tuple[int, int], constants: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Inverse depth of coffee.jpg, step by step as the authors' scripts do it."""
    image = read_image(COFFEE) / 255.0
    resized = cv2.resize(image, shape[::-1], interpolation=cv2.INTER_CUBIC)
    mean, std = constants
    pixels = np.transpose((resized - mean) / std, (2, 0, 1)).astype(np.float32)
    network = networks.load(name, home / "weights" / CHECKPOINTS[name].file_name)
    with torch.no_grad():
        output = network(torch.from_numpy(pixels)[None])
        whole = functional.interpolate(output[:, None], image.shape[:2], mode="bicubic", align_corners=False)
    return whole[0, 0].numpy()


@pytest.mark.parametrize(
    ("name", "shape", "constants"), [(SMALL, (160, 256), IMAGENET), (LEVIT, (224, 224), HALF)]
)
def test_a_depth_map_is_what_the_authors_steps_give(
    name: str, shape: tuple[int, int], constants: tuple[np.ndarray, np.ndarray], home: Path
) -> None:
    depth_map = openmidas.load(name)(COFFEE)
    assert (depth_map.quantity, depth_map.ambiguity) == ("inverse_depth", "affine_invariant")
    expected = np.maximum(as_published(name, home, shape, constants), 0)
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(depth_map.values, expected, atol=1e-3 * expected.max())


def test_a_network_of_which_no_file_is_published_runs_from_one_laid_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENMIDAS_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    torch.save(resnet50_weights(), tmp_path / "weights" / "midas_resnet50.pt")
    depth_map = openmidas.load("midas_resnet50")(COFFEE)
    assert np.ptp(depth_map.values) > 0


def test_same_picture_same_numbers_from_any_thread(home: Path) -> None:
    predict = openmidas.load(SMALL)
    expected = predict(COFFEE).values
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: predict(COFFEE).values, range(6)))
    for answer in answers:
        np.testing.assert_allclose(answer, expected, atol=1e-4 * expected.max())


def test_a_larger_size_shows_the_network_a_larger_picture(home: Path) -> None:
    seen = []
    predict = openmidas.load(SMALL, side_px=320)

    def watched(pixels: np.ndarray) -> np.ndarray:
        seen.append(pixels.shape)
        return predict.run(pixels)

    assert replace(predict, run=watched)(COFFEE).shape == (400, 600)
    assert seen == [(1, 3, 224, 320)]


def test_who_waits_for_a_download_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(checkpoint: Checkpoint, progress: Progress) -> Path:
        progress(1, 2)
        raise FileError(f"{checkpoint.name} broke off")

    seen: list[tuple[int, int | None]] = []
    monkeypatch.setattr(predictor, "fetch", fetch)
    with pytest.raises(FileError, match="dpt_levit_224 broke off"):
        openmidas.load(LEVIT, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2)]


def test_the_command_writes_what_load_gives(home: Path, tmp_path: Path) -> None:
    options = ["--model", LEVIT, "-o", tmp_path, "--format", "npz,png16,heatmap"]
    done = subprocess.run([COMMAND, "predict", COFFEE, *options], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Values are inverse depth" in done.stdout
    expected = openmidas.load(LEVIT)(COFFEE)
    written = read_depth(tmp_path / "coffee_depth.npz")
    assert (written.quantity, written.ambiguity) == (expected.quantity, expected.ambiguity)
    np.testing.assert_allclose(written.values, expected.values, atol=1e-4 * expected.values.max())
    assert {path.suffix for path in tmp_path.iterdir()} == {".npz", ".png"}


def test_another_networks_checkpoint_is_refused_in_one_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    wrong = weights / CHECKPOINTS[LEVIT].file_name
    wrong.symlink_to(home / "weights" / CHECKPOINTS[SMALL].file_name)
    monkeypatch.setenv("OPENMIDAS_HOME", str(tmp_path))
    with pytest.raises(FileError, match="is no checkpoint of dpt_levit_224") as caught:
        openmidas.load(LEVIT)
    assert str(caught.value).startswith(f"{wrong}: ")
    assert "\n" not in str(caught.value)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with a part of coffee.jpg."""
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos/cup.png"), cv2.imread(str(COFFEE))[100:196, 200:328])
    return tmp_path / "photos"


def written_label(photos: Path, by: str | Path) -> np.ndarray:
    """The label of the photograph by that network alone."""
    out = photos.parent / "labels"
    assert label_photos(photos, out, [by]) == 1
    values = read_label(out / "cup.png")
    (out / "cup.png").unlink()
    return values


def standardised(values: np.ndarray) -> np.ndarray:
    centred = values - np.median(values)
    return centred / np.abs(centred).mean()


@pytest.mark.parametrize(("name", "sides_px"), [(SMALL, (224, 288, 352)), (LEVIT, (224,))])
def test_published_networks_label_at_the_sizes_that_they_take(
    name: str, sides_px: tuple[int, ...], home: Path, photos: Path
) -> None:
    image, answers = read_image(photos / "cup.png"), []
    for side_px in sides_px:
        predict = openmidas.load(name, side_px=side_px)
        answers += [predict(image).values, predict(image[:, ::-1].copy()).values[:, ::-1]]
    expected = snap_to_edges(np.mean([standardised(answer) for answer in answers], axis=0), image)
    expected = (expected - expected.min()) / np.ptp(expected)
    np.testing.assert_allclose(written_label(photos, name), expected, atol=2e-3)


def test_checkpoints_label_as_the_network_that_their_place_or_name_tells(home: Path, photos: Path) -> None:
    expected = written_label(photos, SMALL)
    published = home / "weights" / CHECKPOINTS[SMALL].file_name
    np.testing.assert_array_equal(written_label(photos, published), expected)
    run = photos.parent / "run"
    write_network(run / LAST, networks.load(SMALL, published))
    (run / "recipe.json").write_text(json.dumps(asdict(replace(RECIPES["smoke"], network=SMALL))))
    np.testing.assert_array_equal(written_label(photos, run / LAST), expected)


def test_the_command_labels_by_a_published_network(home: Path, photos: Path) -> None:
    out = photos.parent / "labels"
    done = subprocess.run([COMMAND, "label", photos, out, "--by", LEVIT], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{out}: 1 new labels\n", "")
    assert read_label(out / "cup.png").shape == (96, 128)
