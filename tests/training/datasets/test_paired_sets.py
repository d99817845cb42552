"""Sets of pictures with a file each for the target: on miniatures of what their archives unpack to."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from miniatures import (
    MINIATURES,
    Miniature,
    depth_of,
    put,
    write_exr,
    write_gray,
    write_gray16,
    write_hdf5,
    write_picture,
)

from openmidas.depth_map import Ambiguity, DepthMap
from openmidas.files import FileError
from openmidas.training.annotations import ANNOTATIONS, annotated
from openmidas.training.datasets.entry import Entry, OrdinalPairs, Target
from openmidas.training.datasets.layouts import LAYOUTS
from openmidas.training.datasets.paired_sets import ORDINAL_PAIRS, planar_depth
from openmidas.training.losses import to_pairs

each = pytest.mark.parametrize("miniature", MINIATURES, ids=lambda miniature: miniature.layout)


def read(layout: str, root: Path) -> list[Entry]:
    return LAYOUTS[layout].read(root)


@each
def test_pictures_come_by_name_with_the_numbers_that_they_mean(miniature: Miniature, tmp_path: Path) -> None:
    miniature.write_to(tmp_path)
    entries = read(miniature.layout, tmp_path)
    assert tuple(entry.name for entry in entries) == miniature.names
    assert [entry.image for entry in entries] == [tmp_path / place for place in miniature.images]
    assert [entry.target for entry in entries] == [tmp_path / place for place in miniature.targets]
    for entry in entries:
        assert entry.read_image().shape == (*np.shape(miniature.stored), 3)
        target = depth_of(entry)
        assert f"{target.ambiguity} {target.quantity}" == miniature.meaning
        np.testing.assert_allclose(target.values, miniature.values, rtol=1e-6)


@each
def test_a_set_leaves_open_no_less_than_its_annotation(miniature: Miniature, tmp_path: Path) -> None:
    miniature.write_to(tmp_path)
    kind, order = LAYOUTS[miniature.layout].kind, get_args(Ambiguity)
    assert kind is not None
    ambiguity = ANNOTATIONS[kind].ambiguity
    assert ambiguity is not None
    for entry in read(miniature.layout, tmp_path):
        assert order.index(depth_of(entry).ambiguity) >= order.index(ambiguity)


@each
def test_the_root_may_be_any_folder_above_or_below(miniature: Miniature, tmp_path: Path) -> None:
    miniature.write_to(tmp_path / "disk" / "sets")
    assert tuple(entry.name for entry in read(miniature.layout, tmp_path)) == miniature.names
    below = (tmp_path / "disk" / "sets" / miniature.images[0]).parent.parent
    assert read(miniature.layout, below)[0].name == miniature.names[0]


@each
@pytest.mark.parametrize("which", [0, 1])
def test_a_missing_picture_or_target_is_listed_and_named_when_read(
    which: int, miniature: Miniature, tmp_path: Path
) -> None:
    miniature.write_to(tmp_path)
    target, image = (tmp_path / places[which] for places in (miniature.targets, miniature.images))
    target.unlink()
    entry = read(miniature.layout, tmp_path)[which]
    assert (entry.name, entry.image, entry.target) == (miniature.names[which], image, target)
    with pytest.raises(FileError, match=rf"{target.name}: no such file"):
        entry.read_target()
    miniature.write_to(tmp_path)
    image.unlink()
    entry = read(miniature.layout, tmp_path)[which]
    assert (entry.name, entry.image.with_suffix(""), entry.target) == (
        miniature.names[which],
        image.with_suffix(""),
        target,
    )
    with pytest.raises(FileError, match=rf"{image.stem}\.\w+: no such file"):
        entry.read_image()


@each
def test_a_damaged_target_is_named_and_spoils_nothing_else(miniature: Miniature, tmp_path: Path) -> None:
    miniature.write_to(tmp_path)
    path = tmp_path / miniature.targets[0]
    path.write_bytes(path.read_bytes()[:20])
    damaged, whole = read(miniature.layout, tmp_path)
    with pytest.raises(FileError, match=rf"{path.name}: "):
        damaged.read_target()
    assert depth_of(whole).valid.any()


@each
def test_listing_opens_no_file(miniature: Miniature, tmp_path: Path) -> None:
    for place in (*miniature.images, *miniature.targets):
        put(tmp_path / place, b"")
    assert len(read(miniature.layout, tmp_path)) == 2


def test_a_picture_that_two_archives_hold_counts_once(tmp_path: Path) -> None:
    for copy in ("first", "second"):
        write_picture(tmp_path / copy / "Imgs/a.jpg")
        write_gray(tmp_path / copy / "RDs/a.png", [[0]])
    (entry,) = read("redweb", tmp_path)
    assert (entry.image, entry.target) == (tmp_path / "first/Imgs/a.jpg", tmp_path / "first/RDs/a.png")


def test_folders_may_be_links_even_back_to_where_they_are(tmp_path: Path) -> None:
    write_picture(tmp_path / "disk/Imgs/a.jpg")
    write_gray(tmp_path / "disk/RDs/a.png", [[0]])
    root = tmp_path / "root"
    root.mkdir()
    (root / "ReDWeb_V1").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/again").symlink_to(tmp_path / "disk")
    assert [entry.name for entry in read("redweb", root)] == ["a"]


def write_hrwsi(root: Path, name: str, split: str = "train") -> None:
    write_picture(root / split / "imgs" / f"{name}.jpg")
    write_gray(root / split / "gts" / f"{name}.png", [[255, 51, 0], [102, 7, 0]])
    write_gray(root / split / "valid_masks" / f"{name}.png", [[255, 255, 255], [255, 0, 0]])


def test_hrwsi_is_disparity_where_its_masks_are_not_black(tmp_path: Path) -> None:
    for name in "ba":
        write_hrwsi(tmp_path / "HR-WSI", name)
    write_hrwsi(tmp_path / "HR-WSI", "held_out", "val")
    entries = read("hrwsi", tmp_path)
    assert [entry.name for entry in entries] == ["train/a", "train/b"]
    target = depth_of(entries[0])
    assert (target.quantity, target.ambiguity) == ("inverse_depth", "affine_invariant")
    expected = [[1, 0.2, 0], [0.4, np.nan, np.nan]]
    np.testing.assert_array_equal(target.values, np.array(expected, np.float32))
    (tmp_path / "HR-WSI/train/valid_masks/a.png").unlink()
    with pytest.raises(FileError, match=r"valid_masks/a\.png: no such file"):
        entries[0].read_target()
    write_gray(tmp_path / "HR-WSI/train/valid_masks/a.png", [[255]])
    with pytest.raises(FileError, match=r"valid_masks/a\.png: has 1×1 pixels, its target 2×3"):
        entries[0].read_target()


@pytest.mark.parametrize(
    ("scene", "name"),
    [
        ("Home/Flat", "Home/Flat/1"),
        ("Home/Home/Flat", "Home/Flat/1"),
        ("IRSDataset/Store/Shop", "Store/Shop/1"),
        ("Flat", "Flat/1"),
        ("disk/IRS/Flat", "Flat/1"),
    ],
)
def test_the_scenes_of_irs_may_lie_below_their_kind_of_place_or_not(
    scene: str, name: str, tmp_path: Path
) -> None:
    write_picture(tmp_path / scene / "l_1.png")
    write_exr(tmp_path / scene / "d_1.exr", [[48.0]])
    (entry,) = read("irs", tmp_path)
    assert (entry.name, entry.target) == (name, tmp_path / scene / "d_1.exr")
    assert depth_of(entry).values.tolist() == [[48]]


def test_a_fourth_channel_in_pictures_of_irs_says_nothing(tmp_path: Path) -> None:
    transparent = np.full((2, 3, 4), (100, 90, 80, 0), np.uint8)
    put(tmp_path / "Home/Flat/l_1.png", cv2.imencode(".png", transparent)[1].tobytes())
    (entry,) = read("irs", tmp_path)
    assert np.unique(entry.read_image().reshape(-1, 3), axis=0).tolist() == [[80, 90, 100]]


def write_diml(scene: Path, name: str, depth_mm: int | None) -> None:
    write_picture(scene / f"col/{name}_c.png")
    if depth_mm is not None:
        write_gray16(scene / f"up_png/{name}_ud.png", [[depth_mm]])


def test_the_full_release_of_diml_goes_by_whole_paths_for_its_places_share_names(tmp_path: Path) -> None:
    write_diml(tmp_path / "indoor/03_class_1/1/16.01.20/1", "in_k_00_160120_000001", 1000)
    write_diml(tmp_path / "indoor/03_class_2/1/16.01.20/1", "in_k_00_160120_000001", 2000)
    entries = read("diml_indoor", tmp_path / "indoor")
    assert [entry.name for entry in entries] == [
        "03_class_1/1/16.01.20/1/in_k_00_160120_000001",
        "03_class_2/1/16.01.20/1/in_k_00_160120_000001",
    ]
    assert [depth_of(entry).values.tolist() for entry in entries] == [[[1]], [[2]]]
    assert [entry.image.parents[1] for entry in entries] == [
        tmp_path / f"indoor/03_class_{n}/1/16.01.20/1" for n in (1, 2)
    ]


def test_frames_without_depth_are_none_of_the_full_release_of_diml(tmp_path: Path) -> None:
    write_diml(tmp_path / "03_class_1/1/16.01.20/1", "in_k_00_160120_000001", None)
    write_diml(tmp_path / "03_class_1/1/16.01.20/1", "in_k_00_160120_000002", 3000)
    write_diml(tmp_path / "03_class_2/1/16.01.20/1", "in_k_00_160120_000001", 2000)
    assert [entry.name for entry in read("diml_indoor", tmp_path)] == [
        "03_class_1/1/16.01.20/1/in_k_00_160120_000002",
        "03_class_2/1/16.01.20/1/in_k_00_160120_000001",
    ]


def test_a_single_recording_of_diml_may_be_the_root(tmp_path: Path) -> None:
    write_diml(tmp_path / "1", "in_k_1", 1000)
    (entry,) = read("diml_indoor", tmp_path / "1")
    assert (entry.name, depth_of(entry).values.tolist()) == ("in_k_1", [[1]])
    with pytest.raises(FileError, match="is not there: unpack the indoor archives"):
        read("diml_indoor", tmp_path / "1/col")


def megadepth_target(root: Path, stored: np.ndarray) -> Target:
    write_picture(root / "0000/dense0/imgs/a.jpg", stored.shape)
    write_hdf5("depth")(root / "0000/dense0/depths/a.h5", stored)  # type: ignore[arg-type]
    (entry,) = read("megadepth", root)
    return entry.read_target()


def test_the_farthest_and_nearest_of_megadepths_depths_do_not_count(tmp_path: Path) -> None:
    # of 0.5 to 199.5, 98 % lie up to 195.52; of the 196 that are left, 99 % from 2.45 on
    stored = np.append(np.arange(200) + 0.5, np.zeros(10)).reshape(21, 10)
    target = megadepth_target(tmp_path, stored)
    assert isinstance(target, DepthMap)
    known = target.values[target.valid]
    assert (known.min(), known.max(), known.size) == (2.5, 195.5, 194)


def test_of_ten_megadepth_depths_all_count(tmp_path: Path) -> None:
    target = megadepth_target(tmp_path, np.append(np.arange(10) + 0.5, np.zeros(10)).reshape(4, 5))
    assert isinstance(target, DepthMap)
    assert target.valid.sum() == 10


def two_regions(nearer_px: int, farther_px: int) -> np.ndarray:
    """So many pixels above 0 in the upper half, and below 0 in the lower one."""
    regions = np.zeros((20, 10))
    regions.flat[:nearer_px] = 1
    regions.flat[100 : 100 + farther_px] = -1
    return regions


def test_negative_megadepth_files_are_pairs_of_a_nearer_point_above_0_and_a_farther_below(
    tmp_path: Path,
) -> None:
    regions = two_regions(100, 100)
    pairs = megadepth_target(tmp_path, regions)
    assert isinstance(pairs, OrdinalPairs)
    assert (pairs.shape, len(pairs.relation), set(pairs.relation)) == ((20, 10), ORDINAL_PAIRS, {1})
    assert set(regions[tuple(pairs.first.T)]) == {1}
    assert set(regions[tuple(pairs.second.T)]) == {-1}
    assert len({tuple(point) for point in pairs.first}) > 50
    again = megadepth_target(tmp_path, regions)
    assert isinstance(again, OrdinalPairs)
    np.testing.assert_array_equal(pairs.first, again.first)


@pytest.mark.parametrize(
    "stored",
    [two_regions(99, 100), two_regions(100, 99), two_regions(0, 100), np.arange(200).reshape(20, 10) % 4],
    ids=["small nearer", "small farther", "no nearer", "labels"],
)
def test_megadepth_files_that_tell_neither_depth_nor_order_have_no_pairs(
    stored: np.ndarray, tmp_path: Path
) -> None:
    pairs = megadepth_target(tmp_path, stored)
    assert isinstance(pairs, OrdinalPairs)
    assert len(pairs.first) == len(pairs.second) == len(pairs.relation) == 0
    sample = annotated(np.zeros((10, 5, 3), np.uint8), pairs)
    assert sample.pairs is not None
    assert not to_pairs([sample.pairs]).valid.any()


def test_an_empty_megadepth_file_is_depth_known_nowhere(tmp_path: Path) -> None:
    target = megadepth_target(tmp_path, np.zeros((2, 3)))
    assert isinstance(target, DepthMap)
    assert not target.valid.any()


def test_distances_to_a_wall_become_one_depth() -> None:
    height, width, focal_px = 6, 8, 4 / np.tan(np.radians(30))
    x, y = np.meshgrid(np.arange(width) - 3.5, np.arange(height) - 2.5)
    distance = 5 * np.sqrt(1 + (x / focal_px) ** 2 + (y / focal_px) ** 2)
    np.testing.assert_allclose(planar_depth(distance, 60), np.full((height, width), 5), rtol=1e-6)


def test_the_focal_length_of_hypersim_is_the_published_one() -> None:
    # 1024 pixels across 60° are 886.81 pixels of focal length
    distance = np.ones((1, 1024))
    slope = np.sqrt(1 / planar_depth(distance, 60)[0, -1] ** 2 - 1)
    assert 511.5 / slope == pytest.approx(886.81, abs=0.01)


def test_blended_pictures_with_masks_are_not_pictures_of_the_set(tmp_path: Path) -> None:
    for name in ("00000000.jpg", "00000000_masked.jpg"):
        write_picture(tmp_path / "5a0271/blended_images" / name)
    assert [entry.name for entry in read("blendedmvs", tmp_path)] == ["5a0271/00000000"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_empty_folder_and_none_are_one_line_that_says_what_to_do(layout: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"is not there: \w+") as empty:
        read(layout, tmp_path)
    assert "\n" not in str(empty.value)
    with pytest.raises(FileError, match=r"nowhere: no such folder"):
        read(layout, tmp_path / "nowhere")
    shutil.rmtree(tmp_path)
