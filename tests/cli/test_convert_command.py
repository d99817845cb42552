"""`openmidas convert` and `openmidas info`: what numbers become, and what is said about them."""

from __future__ import annotations

from pathlib import Path

import click
import cv2
import numpy as np
import pytest
from PIL import Image
from running import Run, names, write_picture

from openmidas.cli.convert import Wanted, convert_file
from openmidas.cli.meaning import Meaning
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.encoding import encoding_named
from openmidas.files import read_depth, read_encoding, write_depth


@pytest.fixture
def predicted(folder: Path) -> DepthMap:
    """p.npz: affine-invariant inverse depth from 1 to 5, one pixel not valid."""
    values = np.linspace(1, 5, 12, dtype=np.float32).reshape(3, 4)
    values[1, 1] = np.nan
    depth_map = DepthMap.from_values(values, "inverse_depth", "affine_invariant")
    write_depth(folder / "p.npz", depth_map)
    return depth_map


@pytest.fixture
def kitti(folder: Path) -> np.ndarray:
    """kitti.png: 0 is not valid, 256 is one metre."""
    codes = np.array([[0, 256, 512], [2560, 65535, 25600]], np.uint16)
    cv2.imwrite(str(folder / "kitti.png"), codes)
    return codes


def test_a_foreign_file_is_read_by_the_encoding_named(
    openmidas: Run, folder: Path, kitti: np.ndarray
) -> None:
    result = openmidas("convert", "kitti.png", "m.pfm", "--from", "kitti", "--to", "metres")
    assert (result.code, result.err) == (0, "")
    assert "metric depth in m" in result.out
    assert "--from metres" in result.out
    depth_map = read_depth(folder / "m.pfm", encoding_named("metres"))
    np.testing.assert_array_equal(depth_map.values[0], np.float32([np.nan, 1, 2]))
    assert openmidas("convert", "m.pfm", "mm.png", "--from", "metres", "--to", "millimetres").code == 0
    np.testing.assert_array_equal(cv2.imread("mm.png", cv2.IMREAD_UNCHANGED)[1], [10_000, 0, 0])


def test_the_meaning_is_demanded_where_the_file_lacks_it(openmidas: Run, kitti: np.ndarray) -> None:
    result = openmidas("convert", "kitti.png", "m.pfm")
    assert result.code == 1
    assert result.err.startswith("Error: kitti.png: does not say what its uint16 numbers mean")
    assert "kitti" in result.err


@pytest.mark.usefixtures("predicted")
@pytest.mark.parametrize("target", ["metres", "kitti", "opengl", "scale-invariant-depth"])
def test_a_map_without_metres_becomes_metric_only_by_what_is_stated(
    target: str, openmidas: Run, folder: Path
) -> None:
    out = "out.png" if target == "kitti" else "out.pfm"
    planes = ["--near", "0.5", "--far", "20"]
    result = openmidas("convert", "p.npz", out, "--to", target)
    assert result.code == 1
    assert "near" in result.err
    assert result.err.startswith("Error: p.npz: ")
    if target != "opengl":
        assert "--near and --far" in result.err
        assert "--scale and --shift" in result.err
    assert names(folder) == ["p.npz"]
    stated = openmidas("convert", "p.npz", out, "--to", target, *planes)
    assert stated.code == 0
    assert "not measured: the nearest pixel is at 0.5 m, the farthest at 20 m" in stated.out


def test_near_and_far_give_the_metres(openmidas: Run, folder: Path, predicted: DepthMap) -> None:
    assert openmidas("convert", "p.npz", "m.exr", "--near", "0.5", "--far", "20", "--to", "metres").code == 0
    metres = read_depth(folder / "m.exr")
    assert (metres.quantity, metres.ambiguity) == ("depth", "metric")
    assert metres.values[0, 0] == pytest.approx(20)
    assert metres.values[2, 3] == pytest.approx(0.5)
    assert np.isnan(metres.values[1, 1])


def test_scale_and_shift_give_the_metres(openmidas: Run, folder: Path, predicted: DepthMap) -> None:
    result = openmidas("convert", "p.npz", "m.npz", "--scale", "2", "--shift", "-1.5")
    assert result.code == 0
    assert "metric inverse depth is 2 × value + -1.5" in result.out
    expected = predicted.with_scale_shift(2, -1.5)
    assert read_depth(folder / "m.npz") == expected


def test_a_z_buffer_is_read_with_its_planes_and_its_own_bits(openmidas: Run, folder: Path) -> None:
    depth = DepthMap.from_values(np.array([[0.5, 1.0], [4.0, 20.0]]), "depth", "metric")
    for bits in (8, 16):
        codes = encoding_named("reversed-z", 0.5, 20, bits).encode(depth)
        cv2.imwrite(str(folder / "z.png"), codes)
        planes = ["--near", "0.5", "--far", "20"]
        assert (
            openmidas("convert", "z.png", "m.npz", "--from", "reversed-z", *planes, "--overwrite").code == 0
        )
        got = read_depth(folder / "m.npz").to_depth().values
        np.testing.assert_allclose(1 / got, 1 / depth.values, atol=2 / 2**bits)
    assert openmidas("convert", "m.npz", "o.png", "--to", "opengl", *planes).code == 0
    assert read_encoding(folder / "o.png").bits == 16
    assert openmidas("convert", "m.npz", "o8.png", "--to", "opengl", *planes, "--bits", "8").code == 0
    assert read_encoding(folder / "o8.png").bits == 8


def test_headerless_files_need_their_shape(openmidas: Run, folder: Path) -> None:
    values = np.arange(1, 13, dtype="<f4").reshape(3, 4)
    (folder / "scan").write_bytes(values.tobytes())
    assert openmidas("convert", "scan", "a.npz", "--from", "eth3d", "--shape", "3x4").code == 0
    np.testing.assert_array_equal(read_depth(folder / "a.npz").values, values)
    wrong = openmidas("convert", "scan", "b.npz", "--from", "eth3d", "--shape", "3x5")
    assert wrong.code == 1
    assert "5×3" in wrong.err


def test_a_heatmap_can_be_made_of_any_depth_file(openmidas: Run, kitti: np.ndarray) -> None:
    assert openmidas("convert", "kitti.png", "h.png", "--from", "kitti", "--to", "heatmap").code == 0
    heatmap = cv2.imread("h.png").astype(int).sum(axis=2)
    assert heatmap[0, 1] > heatmap[0, 2] > heatmap[1, 2]


def test_an_existing_file_is_replaced_only_when_asked(
    openmidas: Run, folder: Path, predicted: DepthMap
) -> None:
    (folder / "b.npz").write_text("mine")
    refused = openmidas("convert", "p.npz", "b.npz")
    assert (refused.code, refused.out) == (1, "")
    assert "--overwrite" in refused.err
    assert (folder / "b.npz").read_text() == "mine"
    assert openmidas("convert", "p.npz", "b.npz", "--overwrite").code == 0
    assert read_depth(folder / "b.npz") == predicted


@pytest.mark.usefixtures("predicted")
@pytest.mark.parametrize(
    "options",
    [
        ["--from", "kiti"],
        ["--to", "kiti"],
        ["--near", "1"],
        ["--shift", "1"],
        ["--bits", "16"],
        ["--shape", "3x4"],
        ["--shape", "3", "--from", "eth3d"],
        ["--near", "1", "--far", "2", "--scale", "3"],
        ["--near", "x"],
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(options: list[str], openmidas: Run, folder: Path) -> None:
    result = openmidas("convert", "p.npz", "q.npz", *options)
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith("Error: ")
    assert names(folder) == ["p.npz"]


def test_planes_for_a_map_that_is_metric_already_are_wrong_usage(openmidas: Run, kitti: np.ndarray) -> None:
    options = ["--from", "kitti", "--near", "1", "--far", "9"]
    assert openmidas("convert", "kitti.png", "m.npz", *options).code == 2


def test_info_tells_what_a_predicted_file_holds(openmidas: Run, folder: Path) -> None:
    write_picture(folder / "a.png", (48, 64))
    openmidas("a.png")
    result = openmidas("info", "a_depth.png")
    assert (result.code, result.err) == (0, "")
    for words in (
        "64×48 pixels",
        "affine-invariant inverse depth",
        "near is high",
        "16-bit",
        "100.0%",
        "median",
    ):
        assert words in result.out


def test_info_of_foreign_numbers(openmidas: Run, folder: Path, kitti: np.ndarray) -> None:
    unknown = openmidas("info", "kitti.png").out
    assert "3×2 pixels of uint16 numbers, from 0 to 65535" in unknown
    assert "does not say what they mean" in unknown
    known = openmidas("info", "kitti.png", "--from", "kitti").out
    assert "metric depth" in known
    assert "83.3% of the pixels valid; from 1 to 256 m, median 10 m" in known


def test_info_counts_what_is_not_valid_and_what_is_sky(openmidas: Run, folder: Path) -> None:
    values = np.array([[np.nan, np.inf], [2.0, 4.0]], np.float32)
    write_depth(folder / "a.tiff", DepthMap.from_values(values, "depth", "metric"))
    assert "75.0% of the pixels valid, 25.0% at infinity; from 2 to 4 m" in openmidas("info", "a.tiff").out
    np.save(folder / "b.npy", values)
    assert "from 2 to 4, 50.0% NaN or infinite" in openmidas("info", "b.npy").out


def test_info_of_a_picture_and_of_nothing(openmidas: Run, folder: Path) -> None:
    write_picture(folder / "a.jpg", (48, 64))
    assert "a.jpg: picture in colours, 64×48 pixels, focal length unknown" in openmidas("info", "a.jpg").out
    (folder / "bad.pfm").write_text("PF")
    (folder / "bad.png").write_text("text")
    for name in ("gone.png", "bad.pfm", "bad.png", "."):
        result = openmidas("info", name)
        assert (result.code, result.out) == (1, "")
        assert result.err.startswith("Error: ")
        assert result.err.count("\n") == 1


@pytest.fixture
def metres(folder: Path) -> DepthMap:
    """m.npz: depth from 1 to 5 m, of the same view as photo.jpg."""
    depth_map = DepthMap.from_values(np.linspace(1, 5, 120).reshape(10, 12), "depth", "metric")
    write_depth(folder / "m.npz", depth_map)
    write_picture(folder / "photo.jpg", (40, 48))
    return depth_map


def test_a_photo_is_given_its_depth_map_and_the_map_comes_out_again(
    openmidas: Run, folder: Path, metres: DepthMap
) -> None:
    wanted = Wanted(photo=Path("photo.jpg"))
    said = convert_file(Path("m.npz"), Path("portrait.jpg"), Meaning(), wanted)
    assert said.startswith("portrait.jpg: gdepth-range-inverse: 8-bit metric inverse-depth in 1/m")
    assert "1 m at code 0, 5 m at code 255" in said
    about = openmidas("info", "portrait.jpg").out
    assert "portrait.jpg: picture in colours, 48×40 pixels" in about
    assert "portrait.jpg: depth map, 12×10 pixels, metric inverse depth" in about
    assert openmidas("convert", "portrait.jpg", "out.npz", "--to", "metres").code == 0
    np.testing.assert_allclose(read_depth(folder / "out.npz").values, metres.values, rtol=0.01)
    assert openmidas("convert", "portrait.jpg", "out.png").code == 0


def test_a_predicted_map_goes_into_a_photo_by_the_metres_that_are_stated(
    folder: Path, predicted: DepthMap
) -> None:
    write_picture(folder / "photo.jpg", (30, 40))
    whole = DepthMap.from_values(np.nan_to_num(predicted.values, nan=2), "inverse_depth", "affine_invariant")
    write_depth(folder / "p.npz", whole)
    wanted = Wanted("gdepth-range-linear", photo=Path("photo.jpg"))
    with pytest.raises(ConventionError, match="near and far"):
        convert_file(Path("p.npz"), Path("a.jpg"), Meaning(), wanted)
    said = convert_file(Path("p.npz"), Path("a.jpg"), Meaning(near=0.5, far=20), wanted)
    assert "not measured: the nearest pixel is at 0.5 m, the farthest at 20 m" in said
    carried = read_encoding(folder / "a.jpg")
    assert (carried.name, carried.near, carried.far) == ("gdepth-range-linear", 0.5, 20)


def test_planes_may_be_stated_for_a_metric_map_too(folder: Path, metres: DepthMap) -> None:
    wanted = Wanted(photo=Path("photo.jpg"))
    convert_file(Path("m.npz"), Path("a.jpg"), Meaning(near=2, far=3), wanted)
    values = read_depth(folder / "a.jpg").to_depth().values
    assert (values.min(), values.max()) == (2, 3)


@pytest.mark.parametrize(("target", "photo"), [("a.jpg", None), ("a.png", Path("photo.jpg"))])
def test_a_photo_is_named_for_a_jpeg_and_only_for_one(
    target: str, photo: Path | None, folder: Path, metres: DepthMap
) -> None:
    with pytest.raises(click.UsageError, match="--photo"):
        convert_file(Path("m.npz"), Path(target), Meaning(), Wanted(photo=photo))
    assert names(folder) == ["m.npz", "photo.jpg"]


def test_a_heatmap_may_be_a_jpeg_without_a_photo(openmidas: Run, metres: DepthMap) -> None:
    assert openmidas("convert", "m.npz", "h.jpg", "--to", "heatmap").code == 0


def test_info_does_not_pass_a_lost_depth_map_over(openmidas: Run, folder: Path) -> None:
    note = (
        b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description '
        b'xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/" GDepth:Near="1"/></r:RDF>'
    )
    Image.new("RGB", (8, 8), "red").save(folder / "a.jpg", xmp=note)
    result = openmidas("info", "a.jpg")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("Error: a.jpg: says that it carries a depth map, but the map is gone")
