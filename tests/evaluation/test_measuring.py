"""Sets that networks are measured on while they are trained: what counts, and what it is called in the log."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.evaluation.measuring import MOST_PICTURES, errors_by_set, measurable, read_chosen, rule_of
from openmidas.evaluation.protocols import PROTOCOLS
from openmidas.evaluation.run import DataSet
from openmidas.files.errors import FileError
from openmidas.training.datasets.layouts import LAYOUTS

SHAPE = (40, 48)
GRAY = np.random.default_rng(0).integers(10, 250, SHAPE, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sets of measured pictures: the gray is the inverse depth; nothing is known of two, the last is long."""
    lines = ["name,set,target"]
    targets = {
        "a": GRAY,
        "b": GRAY,
        "dark": GRAY * 0,
        "c": GRAY[:, ::-1],
        "long": np.tile(GRAY[:32], (1, 40)),
    }
    for name, target in targets.items():
        gray = GRAY if name == "dark" else target
        cv2.imwrite(str(tmp_path / f"{name}.webp"), np.dstack([gray] * 3), [cv2.IMWRITE_WEBP_QUALITY, 101])
        np.savez(tmp_path / f"{name}_target.npz", inverse_depth=target / np.float32(100))
        lines.append(f"{name},{'still' if name == 'c' else 'rooms'},metric")
    (tmp_path / "index.csv").write_text("\n".join(lines))
    return tmp_path


def opened(folder: Path, left_out: list[str] | None = None, layout: str = "measured") -> DataSet:
    told: list[str] = [] if left_out is None else left_out
    return measurable(read_chosen(layout, folder), told.append, lambda: None)


def gray(image: np.ndarray) -> DepthMap:
    return DepthMap.from_values(image[..., 0] * 3.0 + 1, "inverse_depth", "affine_invariant")


def constant(image: np.ndarray) -> DepthMap:
    return DepthMap.from_values(np.zeros(image.shape[:2]), "inverse_depth", "affine_invariant")


def test_what_cannot_be_measured_is_left_out_and_named(folder: Path) -> None:
    left_out: list[str] = []
    assert [entry.name for entry in opened(folder, left_out).entries] == ["rooms/a", "rooms/b", "still/c"]
    assert len(left_out) == 2
    assert left_out[0].startswith("measured rooms/dark: no pixel of the target counts")
    assert left_out[1].startswith("measured rooms/long: is 1920×32 pixels")


def test_a_picture_that_cannot_be_read_is_an_error_at_once(folder: Path) -> None:
    (folder / "b_target.npz").unlink()
    with pytest.raises(FileError, match=r"b_target\.npz: no such file"):
        opened(folder)


def test_errors_have_the_names_of_the_log(folder: Path) -> None:
    errors = errors_by_set(gray, opened(folder))
    assert set(errors) == {"rooms", "still"}
    assert errors["rooms"] == pytest.approx({"abs_rel": 0, "delta1": 1}, abs=1e-5)


def test_a_constant_has_the_error_of_its_best_fit(folder: Path) -> None:
    fitted_m = 1 / np.mean(GRAY / 100)
    by_hand = np.mean(np.abs(fitted_m * GRAY / 100 - 1))
    errors: Mapping[str, Mapping[str, float]] = errors_by_set(constant, opened(folder))
    assert errors["still"]["abs_rel"] == pytest.approx(by_hand, rel=1e-5)


def test_what_is_not_finite_has_no_error(folder: Path) -> None:
    def holes(image: np.ndarray) -> DepthMap:
        values = image[..., 0].astype(np.float32)
        return DepthMap.from_values(
            np.where(values > 200, np.nan, values), "inverse_depth", "affine_invariant"
        )

    with pytest.raises(ConventionError, match="no finite value"):
        errors_by_set(holes, opened(folder))


def write_sintel(root: Path, frames: int, far: int | None = None) -> Path:
    """Frames of a film whose gray is the inverse depth; one of them is all farther than Sintel's rule counts."""
    for number in range(1, frames + 1):
        picture = root / f"training/final/alley/frame_{number:04}.png"
        depth = root / f"training/depth/alley/frame_{number:04}.dpt"
        for path in (picture, depth):
            path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(picture), np.dstack([GRAY] * 3))
        metres = (1000 if number == far else 100) / GRAY.astype("<f4")
        metres = np.maximum(metres, 80) if number == far else metres
        depth.write_bytes(struct.pack("<fii", 202021.25, SHAPE[1], SHAPE[0]) + metres.tobytes())
    return root


def test_a_layout_is_measured_by_the_first_protocol_that_has_it() -> None:
    assert {layout: rule_of(layout).layout for layout in LAYOUTS} == {layout: layout for layout in LAYOUTS}
    sintel = PROTOCOLS["midas-2020"].rules["sintel"]
    assert (rule_of("sintel").max_m, rule_of("sintel").cap_m, rule_of("sintel").fit) == (72, 72, "picture")
    assert sintel.metrics != rule_of("sintel").metrics == ("AbsRel", "δ<1.25")
    assert rule_of("kitti_eigen").crop == PROTOCOLS["depth-anything"].rules["kitti"].crop is not None
    assert (rule_of("hypersim").cap_m, rule_of("hypersim").averaging) == (None, "pictures")
    assert rule_of("diw").metrics == rule_of("diw_train").metrics == ("WHDR",)


def test_a_set_of_another_layout_has_its_name_and_its_rule(tmp_path: Path) -> None:
    left_out: list[str] = []
    data_set = opened(write_sintel(tmp_path, 3, far=2), left_out, "sintel")
    assert [entry.name[-4:] for entry in data_set.entries] == ["0001", "0003"]
    assert left_out[0].endswith("and none of these is between 0 and 72 m")
    errors = errors_by_set(gray, data_set)
    assert errors["sintel measured"] == pytest.approx({"abs_rel": 0, "delta1": 1}, abs=1e-5)


def test_no_more_than_some_pictures_count_from_all_over_the_set(folder: Path) -> None:
    lines = [f"a{number},rooms,metric" for number in range(5 * MOST_PICTURES)]
    (folder / "index.csv").write_text("\n".join(["name,set,target", *lines]))
    chosen = [int(entry.name.removeprefix("rooms/a")) for entry in read_chosen("measured", folder).entries]
    assert len(chosen) == MOST_PICTURES
    assert (chosen[0], chosen[-1]) == (0, 5 * MOST_PICTURES - 1)
    assert set(np.diff(chosen)) == {5, 6}


def test_truth_without_a_scale_of_its_own_is_refused(tmp_path: Path) -> None:
    for part in ("Imgs", "RDs"):
        (tmp_path / part).mkdir()
    cv2.imwrite(str(tmp_path / "Imgs/0.jpg"), np.dstack([GRAY] * 3))
    cv2.imwrite(str(tmp_path / "RDs/0.png"), GRAY)
    with pytest.raises(FileError, match=r"has no picture to measure on \(0: the target is affine invariant"):
        opened(tmp_path, layout="redweb")


def test_pairs_of_points_are_measured_by_their_order(tmp_path: Path) -> None:
    (tmp_path / "DIW_test").mkdir()
    cv2.imwrite(str(tmp_path / "a.png"), np.dstack([np.tile(np.arange(48, dtype=np.uint8), (40, 1))] * 3))
    (tmp_path / "a.png").rename(tmp_path / "DIW_test/a.thumb")
    (tmp_path / "DIW_test.csv").write_text("./DIW_test/a.thumb\n3,5,3,20,>,48,40\n")  # the first is farther
    data_set = opened(tmp_path, layout="diw")
    assert errors_by_set(gray, data_set) == {"diw measured": {"whdr": 0.0}}
    assert errors_by_set(constant, data_set) == {"diw measured": {"whdr": 1.0}}
