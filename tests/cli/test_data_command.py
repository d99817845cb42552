"""`openmidas data`: what it says and draws of a set, what it says of one with gaps; what it renders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from running import Result, Run, names, write_picture

from openmidas.cli.data_app import data
from openmidas.files import read_image
from openmidas.files.heatmap import INVALID_RGB
from openmidas.training.held import read_rendered


@pytest.fixture
def openmidas_data(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `openmidas data …` in this process."""

    def run(*arguments: str | Path) -> Result:
        with pytest.raises(SystemExit) as end:
            data.main(list(map(str, arguments)), prog_name="openmidas data")
        return Result(int(end.value.code or 0), *capsys.readouterr())

    return run


def write_set(root: Path, count: int = 3, shape: tuple[int, int] = (40, 60)) -> None:
    """Pictures with depth: 2 m everywhere but for a hole in the left half, sky in the first quarter of that."""
    lines = ["image,target,encoding"]
    metres = np.full(shape, 2, np.float32)
    metres[:, : shape[1] // 2] = 0
    metres[:, : shape[1] // 4] = np.inf
    for n in range(count):
        write_picture(root / f"rooms/{n}.png", shape)
        np.save(root / f"rooms/{n}.npy", metres)
        lines.append(f"rooms/{n}.png,rooms/{n}.npy,metres")
    (root / "manifest.csv").write_text("\n".join(lines))


def test_a_whole_set_is_summed_up(openmidas_data: Run, folder: Path) -> None:
    write_set(folder)
    result = openmidas_data("check", ".", "--layout", "manifest")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "manifest in .: 3 pictures.",
        "Truth: metric depth; 3 pictures read.",
        "Valid: 75.0 % of the pixels (from 75.0 % to 75.0 %); 25.0 % are sky.",
        "Depth: in the middle picture 2 m to 2 m, half of it below 2 m.",
    ]
    assert "sheet.png" not in names(folder)


def test_the_sheet_has_a_dozen_pictures_beside_their_truth(openmidas_data: Run, folder: Path) -> None:
    write_set(folder, 40)
    result = openmidas_data("check", ".", "--layout", "manifest", "-o", "sheet.png", "--sample", "30")
    assert (result.code, result.err) == (0, "")
    assert "30 pictures read" in result.out
    assert result.out.endswith("Wrote sheet.png.\n")
    sheet = read_image(folder / "sheet.png")
    holes = (sheet == INVALID_RGB).all(axis=2).astype(np.uint8)
    count, _, boxes, _ = cv2.connectedComponentsWithStats(holes)
    # a quarter of each target is a hole, 40 pixels high and 15 wide
    assert sum(tuple(box[2:4]) == (15, 40) for box in boxes[1:]) == 12
    assert count == 13


def test_what_is_missing_and_what_is_spoilt_is_counted_and_named(openmidas_data: Run, folder: Path) -> None:
    write_set(folder, 30)
    for n in range(12):
        (folder / f"rooms/{n}.npy").unlink()
    (folder / "rooms/12.npy").write_bytes(b"half")
    write_picture(folder / "rooms/13.png", (60, 40))
    result = openmidas_data("check", ".", "--layout", "manifest")
    assert result.code == 1
    assert result.out.splitlines()[1] == "Truth: metric depth; 16 pictures read."
    lines = result.err.splitlines()
    assert lines[0] == "12 of 30 lack a file:"
    assert lines[1] == "  rooms/0.npy: no such file"
    assert lines[11] == "  and 2 more"
    assert lines[12] == "2 of the 18 that were read are spoilt:"
    assert lines[13].startswith("  rooms/12.npy: is no NumPy array")
    assert lines[14].startswith("  rooms/13.png: has 60×40 pixels, its target has 40×60")


def write_levels(path: Path, shape: tuple[int, int]) -> None:
    """A gray picture, nowhere black."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape) | 1)


def write_hrwsi(root: Path) -> str:
    """Two pictures, the second without its mask; what the line about that begins with."""
    for name in "ab":
        write_picture(root / f"train/imgs/{name}.jpg", (8, 9))
        for part in ("gts", "valid_masks"):
            write_levels(root / f"train/{part}/{name}.png", (8, 9))
    (root / "train/valid_masks/b.png").unlink()
    return "train/valid_masks/b.png"


def write_diode(root: Path) -> str:
    """As `write_hrwsi`."""
    for name in "ab":
        write_picture(root / f"val/indoors/s/t/{name}.png", (8, 9))
        for part in ("depth", "depth_mask"):
            np.save(root / f"val/indoors/s/t/{name}_{part}.npy", np.ones((8, 9), np.float32))
    (root / "val/indoors/s/t/b_depth_mask.npy").unlink()
    return "val/indoors/s/t/b_depth_mask.npy"


def write_marked(root: Path) -> str:
    """As `write_hrwsi`, the sky without its picture besides."""
    write_set(root, 2)
    lines = ["image,target,encoding,valid,sky"]
    lines += [f"rooms/{n}.png,rooms/{n}.npy,metres,rooms/{n}_valid.png,rooms/{n}_sky.png" for n in (0, 1)]
    (root / "manifest.csv").write_text("\n".join(lines))
    for part in ("valid", "sky"):
        write_levels(root / f"rooms/0_{part}.png", (40, 60))
    return "rooms/1_valid.png"


@pytest.mark.parametrize(
    ("layout", "write"), [("hrwsi", write_hrwsi), ("diode", write_diode), ("manifest", write_marked)]
)
def test_what_marks_the_pixels_that_count_is_looked_for_of_every_picture(
    layout: str, write: Callable[[Path], str], openmidas_data: Run, folder: Path
) -> None:
    missing = write(folder)
    result = openmidas_data("check", ".", "--layout", layout, "--sample", "1")
    assert result.code == 1
    assert "1 picture read" in result.out
    lines = result.err.splitlines()
    assert lines[:2] == ["1 of 2 lack a file:", f"  {missing}: no such file"]
    assert lines[2:] == (["  rooms/1_sky.png: no such file"] if layout == "manifest" else [])


def test_a_set_without_anything_readable_gives_no_sheet(openmidas_data: Run, folder: Path) -> None:
    write_set(folder, 1)
    (folder / "rooms/0.png").unlink()
    result = openmidas_data("check", ".", "--layout", "manifest", "-o", "sheet.png")
    assert (result.code, result.out) == (1, "manifest in .: 1 picture.\n")
    assert result.err.splitlines()[0] == "1 of 1 lack a file:"
    assert "sheet.png" not in names(folder)


def test_what_was_to_be_drawn_may_all_be_spoilt(openmidas_data: Run, folder: Path) -> None:
    write_set(folder, 23)
    for n in range(0, 23, 2):  # those of an even dozen
        (folder / f"rooms/{n}.npy").write_bytes(b"half")
    result = openmidas_data("check", ".", "--layout", "manifest", "-o", "sheet.png")
    assert (result.code, "11 pictures read" in result.out, "Wrote" in result.out) == (1, True, False)
    assert "sheet.png" not in names(folder)


def test_pictures_without_a_valid_pixel_are_counted(openmidas_data: Run, folder: Path) -> None:
    write_set(folder, 3)
    for n in range(2):
        np.save(folder / f"rooms/{n}.npy", np.zeros((40, 60), np.float32))
    result = openmidas_data("check", ".", "--layout", "manifest")
    assert (result.code, result.err) == (0, "")
    assert "No pixel is valid in 2 pictures: nothing is learnt from these." in result.out.splitlines()


def write_redweb(root: Path, count: int) -> None:
    for n in range(count):
        write_picture(root / f"Imgs/{n}.jpg", (8, 9))
        write_levels(root / f"RDs/{n}.png", (8, 9))


def test_the_count_stands_beside_the_published_one(openmidas_data: Run, folder: Path) -> None:
    write_redweb(folder, 2)
    result = openmidas_data("check", folder, "--layout", "redweb")
    assert result.out.splitlines() == [
        f"redweb in {folder}: 2 pictures of 3,600 published.",
        "Truth: affine-invariant inverse depth; 2 pictures read.",
        "Annotation: disparity; the loss that suits it: ssi-trim.",
        "Valid: 100.0 % of the pixels (from 100.0 % to 100.0 %).",
    ]


def test_pairs_are_drawn_with_the_nearer_point_bright(openmidas_data: Run, folder: Path) -> None:
    (folder / "DIW_test").mkdir()
    cv2.imwrite(str(folder / "DIW_test/a.png"), np.zeros((100, 150, 3), np.uint8))
    (folder / "DIW_test/a.png").rename(folder / "DIW_test/a.thumb")
    (folder / "DIW_test.csv").write_text("./DIW_test/a.thumb\n51,31,51,121,>,150,100\n")
    result = openmidas_data("check", ".", "--layout", "diw", "-o", "sheet.png")
    assert result.code == 0
    assert "Truth: ordinal pairs; 1 picture read." in result.out
    sheet = read_image(folder / "sheet.png").astype(int)
    found = [np.argwhere((abs(sheet - colour) < 3).all(axis=2)) for colour in ((87, 16, 110), (249, 203, 53))]
    # the picture, 150 pixels wide and 14 from the edge, stays as it is: the pair is drawn on the one beside it
    assert min(pixels[:, 1].min() for pixels in found) > 14 + 150
    dark, bright = (pixels.mean(axis=0) for pixels in found)
    # > says that the first point, at the left, is farther
    assert dark[0] == pytest.approx(bright[0], abs=1)
    assert bright[1] - dark[1] == pytest.approx(90, abs=1)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["."], 2, "Missing option '--layout'"),
        ([".", "--layout", "imagenet"], 2, "--layout has no 'imagenet': there are diw, "),
        ([".", "--layout", "manifest"], 1, "manifest.csv: is not there: list the pictures there"),
        (["gone", "--layout", "hypersim"], 1, "gone: no such folder"),
        ([".", "--layout", "kinect"], 1, ".: holds no NNNN.webp: check the folder"),
        ([".", "--layout", "rendered"], 1, ".: holds no NNNNN_inverse_depth.npz: check the folder"),
        (["gone", "--layout", "rendered"], 1, "gone: no such file or folder: check the path"),
        ([".", "--layout", "manifest", "-o", "sheet.jpg"], 1, "sheet.jpg: a sheet is written as .png"),
    ],
)
def test_wrong_words_and_folders_are_one_line(
    arguments: list[str], code: int, words: str, openmidas_data: Run, folder: Path
) -> None:
    result = openmidas_data("check", *arguments)
    assert (result.code, result.out) == (code, "")
    assert words in result.err.splitlines()[-1]
    assert "Traceback" not in result.err


def test_help_has_examples_that_it_understands(openmidas_data: Run) -> None:
    text = openmidas_data("check", "--help").out
    lines = [
        line.split()[3:] for line in text.splitlines() if line.strip().startswith("openmidas data check")
    ]
    assert len(lines) == 2
    for arguments in lines:
        data.commands["check"].make_context("check", arguments)
    assert max(map(len, text.splitlines())) <= 90


def test_pictures_are_rendered_into_a_folder_and_trained_on(openmidas_data: Run, tmp_path: Path) -> None:
    out = tmp_path / "rendered"
    assert openmidas_data("render", out, "--count", "2").out == f"{out}: 2 new pictures\n"
    assert openmidas_data("render", out, "--count", "3").out == f"{out}: 1 new pictures\n"
    assert [sample.image.shape for sample in read_rendered(out)] == [
        read_image(out / f"{number:05d}.webp").shape for number in range(3)
    ]
    refused = openmidas_data("render", tmp_path / "more", "--textures", tmp_path / "none")
    assert refused.code == 1
    assert refused.err == f"Error: {tmp_path / 'none'}: no such file or folder: check the path\n"


def test_the_folders_of_the_recipe_tiny_are_checked_too(openmidas_data: Run, folder: Path) -> None:
    for number in ("0001", "0540"):
        write_picture(folder / f"kinect/{number}.webp", (8, 9))
    codes = np.full((8, 9, 3), 51, np.uint8)  # 51.5 / 255 of 9.99547 m
    cv2.imwrite(str(folder / "kinect/0001_depth.webp"), codes, [cv2.IMWRITE_WEBP_QUALITY, 101])
    result = openmidas_data("check", "kinect", "--layout", "kinect")
    assert (result.code, result.err.splitlines()[1:]) == (1, ["  kinect/0540_depth.webp: no such file"])
    assert result.out.splitlines() == [
        "kinect in kinect: 2 pictures.",
        "Truth: metric depth; 1 picture read.",
        "Annotation: metric depth; the loss that suits it: ssi-mae.",
        "Valid: 100.0 % of the pixels (from 100.0 % to 100.0 %).",
        "Depth: in the middle picture 2.02 m to 2.02 m, half of it below 2.02 m.",
    ]
    write_picture(folder / "rendered/00007.webp", (8, 9))
    truth = np.full((8, 9), 0.25, np.float16)
    truth[:4] = 0  # sky
    np.savez(folder / "rendered/00007_inverse_depth.npz", inverse_depth=truth)
    result = openmidas_data("check", "rendered", "--layout", "rendered", "-o", "sheet.png")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "rendered in rendered: 1 picture.",
        "Truth: metric inverse depth; 1 picture read.",
        "Annotation: rendered; the loss that suits it: ssi-mae.",
        "Valid: 100.0 % of the pixels (from 100.0 % to 100.0 %); 50.0 % are sky.",
        "Depth: in the middle picture 4 m to 4 m, half of it below 4 m.",
        "Wrote sheet.png.",
    ]
    (folder / "rendered/00007_inverse_depth.npz").write_bytes(b"half")
    result = openmidas_data("check", "rendered", "--layout", "rendered")
    assert result.code == 1
    assert "00007_inverse_depth.npz: holds no inverse_depth or is damaged: render it again" in result.err
