"""Sets that networks are measured on while they are trained: what counts, and what it is called in the log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.evaluation.measuring import errors_by_set, measurable, rule_of
from openmidas.evaluation.run import DataSet, read_set
from openmidas.files.errors import FileError

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


def opened(folder: Path, left_out: list[str] | None = None) -> DataSet:
    told: list[str] = [] if left_out is None else left_out
    return measurable(read_set("measured", rule_of("measured"), folder), told.append, lambda: None)


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
