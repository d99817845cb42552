"""`openmidas predict`: which files it makes, and what it says."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from running import Run, names, write_picture

from openmidas.cli.predict import ENDINGS, _meaning
from openmidas.files import read_depth, read_encoding
from openmidas.models import PRESETS, load
from openmidas.models.weights import CHECKPOINTS


def test_one_picture_makes_a_depth_map_and_a_heatmap_beside_it(openmidas: Run, folder: Path) -> None:
    photo = write_picture(folder / "photo.jpg")
    result = openmidas("photo.jpg")
    assert result.code == 0
    assert result.err == ""
    assert names(folder) == ["photo.jpg", "photo_depth.png", "photo_heatmap.png"]
    first, second = result.out.splitlines()
    assert re.fullmatch(r"Wrote photo_depth\.png and photo_heatmap\.png in \d+\.\d\d s\.", first)
    assert all(words in second for words in ("inverse depth", "near is high", "no unit"))
    written, predicted = read_depth(folder / "photo_depth.png"), load()(photo)
    step = read_encoding(folder / "photo_depth.png").step
    assert (written.quantity, written.ambiguity) == (predicted.quantity, predicted.ambiguity)
    np.testing.assert_allclose(written.values, predicted.values, atol=step)
    assert cv2.imread("photo_heatmap.png").shape == (40, 48, 3)


def test_every_format_holds_the_same_map(openmidas: Run, folder: Path) -> None:
    photo = write_picture(folder / "photo.png")
    assert openmidas("predict", "photo.png", "-o", "out", "--format", ",".join(ENDINGS)).code == 0
    assert names(folder / "out") == sorted(f"photo{ending}" for ending in ENDINGS.values())
    expected = load()(photo)
    for ending in ("_depth.npz", "_depth.tiff", "_depth.exr"):
        assert read_depth(folder / f"out/photo{ending}") == expected
    with np.load(folder / "out/photo_depth.npz") as arrays:
        assert {"values", "valid", "quantity", "ambiguity"} <= set(arrays)
    np.testing.assert_array_equal(np.load(folder / "out/photo_depth.npy"), expected.values)


def test_what_is_done_is_skipped_and_said(openmidas: Run, folder: Path) -> None:
    write_picture(folder / "a.png")
    openmidas("a.png")
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    result = openmidas("a.png")
    assert result == (0, "1 picture skipped, done before; --overwrite does them again.\n", "")
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert "Wrote" in openmidas("a.png", "--overwrite").out
    assert (folder / "a_depth.png").stat().st_mtime_ns > before[folder / "a_depth.png"]


def test_only_missing_files_are_made(openmidas: Run, folder: Path) -> None:
    write_picture(folder / "a.png")
    openmidas("a.png", "--format", "heatmap")
    before = (folder / "a_heatmap.png").stat().st_mtime_ns
    assert "Wrote a_depth.png in" in openmidas("a.png").out
    assert (folder / "a_heatmap.png").stat().st_mtime_ns == before


def test_a_folder_is_done_twice_without_taking_its_own_files(openmidas: Run, folder: Path) -> None:
    for name in ("a.png", "b.jpg", "sub/c.png"):
        write_picture(folder / name)
    result = openmidas(".")
    assert result.code == 0
    assert re.match(
        r"2 pictures done in \S+ s \(\S+/s\): NAME_depth.png and NAME_heatmap.png beside", result.out
    )
    assert openmidas(".", "--recursive").out.startswith("2 pictures skipped, done before")
    assert (
        openmidas(*folder.iterdir()).out.splitlines()[1] == "4 files left out that openmidas itself has made."
    )
    assert len(names(folder)) == 3 * 3


def test_sub_folders_are_kept_below_the_output_folder(openmidas: Run, folder: Path) -> None:
    for name in ("in/a.png", "in/one/a.png", "in/one/two/b.png"):
        write_picture(folder / name)
    assert openmidas("predict", "in", "-r", "-o", "out", "--format", "npy").code == 0
    assert names(folder / "out") == ["a_depth.npy", "one/a_depth.npy", "one/two/b_depth.npy"]
    assert names(folder / "in") == ["a.png", "one/a.png", "one/two/b.png"]


@pytest.mark.parametrize("pictures", [("x/a.png", "y/a.png"), ("x/a.jpg", "x/a.png")])
def test_two_pictures_never_write_the_same_file(
    pictures: tuple[str, str], openmidas: Run, folder: Path
) -> None:
    for name in pictures:
        write_picture(folder / name)
    result = openmidas(*pictures, "-o", "out", "--format", "npz")
    assert result.code == 1
    assert result.err.startswith(
        f"Error: {pictures[1]}: its a_depth.npz would overwrite that of {pictures[0]}: rename one"
    )
    assert len(result.err.splitlines()) == 1
    assert read_depth(folder / "out/a_depth.npz") == load()(folder / pictures[0])
    # the same again: what is done belongs to the first one
    assert openmidas(*pictures, "-o", "out", "--format", "npz").err == result.err


def test_a_list_on_standard_input(openmidas: Run, folder: Path) -> None:
    for name in ("a.png", "b b.png"):
        write_picture(folder / name)
    assert openmidas("-", "-o", "out", "--format", "npy", stdin="a.png\nb b.png\n").code == 0
    assert names(folder / "out") == ["a_depth.npy", "b b_depth.npy"]


def test_failures_are_listed_in_the_order_of_the_pictures_and_the_rest_is_done(
    openmidas: Run, folder: Path
) -> None:
    (folder / "1.png").write_bytes(b"")
    (folder / "3.png").write_text("no picture")
    for name in ("2.png", "4.png", "5.png"):
        write_picture(folder / name)
    result = openmidas("gone.jpg", ".", "--format", "npy", "--jobs", "3")
    assert result.code == 1
    assert result.out.startswith("3 of 6 pictures done")
    title, *lines = result.err.splitlines()
    assert title == "3 failed:"
    assert [line.split(":")[0] for line in lines] == ["  gone.jpg", "  1.png", "  3.png"]
    assert [name for name in names(folder) if name.endswith("npy")] == [f"{n}_depth.npy" for n in (2, 4, 5)]


def test_options_reach_the_heatmap_and_the_network(openmidas: Run, folder: Path) -> None:
    photo = write_picture(folder / "a.png", (200, 240))
    heatmaps = {}
    for option in ([], ["--far-bright"], ["--colormap", "gray"], ["--size", "64"]):
        openmidas("a.png", "--overwrite", "--format", "heatmap,npz", *option)
        heatmaps[" ".join(option)] = cv2.imread("a_heatmap.png").astype(int)
    normal, gray = heatmaps[""], heatmaps["--colormap gray"]
    assert np.corrcoef(normal.sum(axis=2).ravel(), heatmaps["--far-bright"].sum(axis=2).ravel())[0, 1] < -0.9
    assert np.ptp(gray, axis=2).max() == 0
    assert np.ptp(normal, axis=2).max() > 50
    assert read_depth(folder / "a_depth.npz") == load(side_px=64)(photo)


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.png", "--format", "png17"],
        ["a.png", "--format", ""],
        ["a.png", "--colormap", "jet"],
        ["a.png", "--model", "huge"],
        ["a.png", "--size", "31"],
        ["a.png", "--model", "dpt_levit_224", "--size", "256"],
        ["a.png", "--device", "gpu"],
        ["a.png", "--jobs", "0"],
        ["a.png", "--bogus"],
        ["predict"],
    ],
)
def test_wrong_usage_exits_with_2_and_makes_nothing(
    arguments: list[str], openmidas: Run, folder: Path
) -> None:
    write_picture(folder / "a.png")
    result = openmidas(*arguments)
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith("Error: ")
    assert names(folder) == ["a.png"]


def lay(home: Path, name: str, content: bytes) -> Path:
    path = home / "weights" / CHECKPOINTS[name].file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_weights_that_are_missing_or_wrong_are_one_line(
    openmidas: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture(folder / "a.png")
    monkeypatch.setenv("OPENMIDAS_HOME", str(folder / "home"))
    monkeypatch.setenv("OPENMIDAS_OFFLINE", "1")
    missing = openmidas("a.png", "--model", "dpt_levit_224")
    path = lay(folder / "home", "dpt_levit_224", b"PK\x03\x04 and the rest")
    torn = openmidas("a.png", "--model", "dpt_levit_224")
    other = lay(folder / "home", "dpt_hybrid_nyu", b"<html>not found</html>")
    wrong = openmidas("a.png", "--model", "dpt_hybrid_nyu")
    assert [result.code for result in (missing, torn, wrong)] == [1, 1, 1]
    assert missing.err.startswith(
        f"Error: {path}: is not there, and offline nothing is downloaded: fetch https://"
    )
    assert torn.err == f"Error: {path}: is no whole file of PyTorch weights: fetch it again\n"
    assert wrong.err.startswith(f"Error: {other}: is no PyTorch checkpoint")
    assert all(result.out == "" and result.err.count("\n") == 1 for result in (missing, torn, wrong))


@pytest.mark.parametrize("model", ["tiny", "dpt_levit_224"])
def test_a_device_that_is_not_there_is_one_line(
    model: str, openmidas: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmidas.networks.predictor._IS_AVAILABLE", {"mps": lambda: False})
    monkeypatch.setenv("OPENMIDAS_OFFLINE", "1")
    write_picture(folder / "a.png")
    result = openmidas("a.png", "--model", model, "--device", "mps")
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert "cpu" in result.err
    assert names(folder) == ["a.png"]


def test_networks_that_know_metres_say_so() -> None:
    assert _meaning(PRESETS["dpt_hybrid_kitti"]).startswith("depth in metres")
    for preset in PRESETS.values():
        assert _meaning(preset)


def test_odd_names_are_no_trouble(openmidas: Run, folder: Path) -> None:
    for name in ("ü 猫.png", "100% [x].png", "a.b.c.png"):
        write_picture(folder / name)
    result = openmidas("ü 猫.png", "100% [x].png", "./a.b.c.png", "-o", "o o")
    assert (result.code, result.err) == (0, "")
    assert len(names(folder / "o o")) == 6
    bad = "new\nline.png"
    assert len(openmidas(bad).err.splitlines()) == 1
