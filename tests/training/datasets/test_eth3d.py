"""ETH3D: float dumps of the full size beside the camera's pictures."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest

from openmidas.depth_map import DepthMap
from openmidas.files import FileError
from openmidas.training.datasets.eth3d import SCENES, read_eth3d


def put(path: Path, content: bytes = b"-") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_dump(path: Path, metres: dict[tuple[int, int], float]) -> None:
    """4032 rows of 6048 floats: those given, 0 elsewhere, which takes no room on disk."""
    put(path)
    with path.open("r+b") as file:
        for (row, column), value in metres.items():
            file.seek(4 * (6048 * row + column))
            file.write(struct.pack("<f", value))
        file.truncate(4 * 4032 * 6048)


def test_a_dump_of_4032_rows_becomes_metres_without_0_and_inf(tmp_path: Path) -> None:
    metres = {(0, 0): math.inf, (0, 1): 2.5, (0, 2): 80, (4031, 6046): math.inf, (4031, 6047): 7}
    put(tmp_path / "office/images/dslr_images/DSC_0219.JPG")
    write_dump(tmp_path / "office/ground_truth_depth/dslr_images/DSC_0219.JPG", metres)
    (entry,) = read_eth3d(tmp_path)
    target = entry.read_target()
    assert isinstance(target, DepthMap)
    assert (entry.name, target.quantity, target.ambiguity) == ("office/DSC_0219", "depth", "metric")
    assert target.shape == (4032, 6048)
    assert np.argwhere(target.valid).tolist() == [[0, 1], [0, 2], [4031, 6047]]
    assert target.values[target.valid].tolist() == [2.5, 80, 7]


def test_scenes_lie_directly_or_in_the_archives_folders_in_order_and_test_scenes_do_not_count(
    tmp_path: Path,
) -> None:
    for scene in ("terrains", "courtyard", "lounge"):
        for number in (2, 1):
            put(tmp_path / f"multi_view_training_dslr_jpg/{scene}/images/dslr_images/DSC_{number}.JPG")
            put(tmp_path / f"{scene}/ground_truth_depth/dslr_images/DSC_{number}.JPG")
    names = [entry.name for entry in read_eth3d(tmp_path)]
    assert names == ["courtyard/DSC_1", "courtyard/DSC_2", "terrains/DSC_1", "terrains/DSC_2"]


def test_a_picture_whose_partner_is_missing_is_listed_and_fails_when_read(tmp_path: Path) -> None:
    put(tmp_path / "pipes/images/dslr_images/DSC_1.JPG")
    put(tmp_path / "pipes/ground_truth_depth/dslr_images/DSC_2.JPG")
    without_depth, without_image = read_eth3d(tmp_path)
    with pytest.raises(FileError, match=r"ground_truth_depth/dslr_images/DSC_1\.JPG: no such file"):
        without_depth.read_target()
    with pytest.raises(FileError, match=r"pipes/images/dslr_images/DSC_2\.JPG: no such file"):
        without_image.read_image()


def test_a_folder_without_any_scene_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"courtyard/images/dslr_images: is not there: unpack multi_view"):
        read_eth3d(tmp_path)


def test_the_training_part_has_thirteen_scenes() -> None:
    assert len(set(SCENES)) == 13
