"""Whatever the annotation, a sample is inverse depth or pairs, and truth goes where its pixels go."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest

from openmidas.depth_map import Ambiguity, ConventionError, DepthMap, Quantity
from openmidas.files.errors import FileError
from openmidas.training.annotations import ANNOTATIONS, Kind, Sample, annotated, move, sample_of
from openmidas.training.datasets.entry import Entry, OrdinalPairs, Target
from openmidas.training.losses import LOSSES

NAN, INF = np.nan, np.inf
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])


def depth_map(values: list[list[float]], quantity: Quantity, ambiguity: Ambiguity) -> DepthMap:
    return DepthMap.from_values(np.array(values), quantity, ambiguity)


def entry_of(folder: Path, target: Target, shape: tuple[int, int]) -> Entry:
    """A white picture of that shape with a target."""
    cv2.imwrite(str(folder / "a.png"), np.full((*shape, 3), 255, np.uint8))
    return Entry("set/a", folder / "a.png", partial(lambda t: t, target))


def pairs_of(first: list[list[int]], second: list[list[int]], shape: tuple[int, int]) -> OrdinalPairs:
    return OrdinalPairs(np.array(first), np.array(second), np.ones(len(first), np.int64), shape)


def sample_with(
    target: np.ndarray, valid: np.ndarray | None = None, pairs: OrdinalPairs | None = None
) -> Sample:
    valid = np.ones(target.shape, bool) if valid is None else valid
    return Sample(np.zeros((*target.shape, 3), np.uint8), target, valid, pairs=pairs)


@pytest.mark.parametrize(
    ("target", "values", "valid"),
    [
        (depth_map([[2, 4], [INF, NAN]], "depth", "metric"), [[0.5, 0.25], [0, 0]], [[1, 1], [1, 0]]),
        (
            depth_map([[1, 0], [NAN, 8]], "inverse_depth", "scale_invariant"),
            [[1, 0], [0, 8]],
            [[1, 1], [0, 1]],
        ),
        (
            depth_map([[-3, 5], [0, NAN]], "inverse_depth", "affine_invariant"),
            [[-3, 5], [0, 0]],
            [[1, 1], [1, 0]],
        ),
    ],
)
def test_truth_of_every_ambiguity_becomes_inverse_depth(
    target: DepthMap, values: list[list[float]], valid: list[list[int]], tmp_path: Path
) -> None:
    sample = sample_of(entry_of(tmp_path, target, (2, 2)))
    assert sample.target.tolist() == values
    assert sample.valid.tolist() == np.array(valid, bool).tolist()
    assert sample.ambiguity == target.ambiguity
    assert sample.pairs is None
    assert (sample.image == 255).all()


def test_ordered_pairs_become_a_picture_without_known_depth(tmp_path: Path) -> None:
    sample = sample_of(entry_of(tmp_path, pairs_of([[0, 1]], [[1, 0]], (2, 2)), (2, 2)))
    assert not sample.valid.any()
    assert sample.pairs is not None
    assert sample.pairs.first.tolist() == [[0, 1]]
    assert sample.pairs.relation.tolist() == [1]


def test_pairs_judged_on_a_larger_picture_are_brought_to_its_thumbnail(tmp_path: Path) -> None:
    pairs = pairs_of([[0, 0], [99, 39]], [[50, 20], [98, 39]], (100, 40))
    sample = sample_of(entry_of(tmp_path, pairs, (50, 20)))
    assert sample.pairs is not None
    # the points of the second fall into one pixel, of which nobody can say what is nearer
    assert sample.pairs.first.tolist() == [[0, 0]]
    assert sample.pairs.second.tolist() == [[25, 10]]
    assert sample.pairs.shape == (50, 20)


def test_the_larger_of_picture_and_target_is_brought_to_the_other(tmp_path: Path) -> None:
    small = depth_map([[1, 2], [3, 4]], "inverse_depth", "metric")
    sample = sample_of(entry_of(tmp_path, small, (6, 6)))
    assert sample.image.shape == (2, 2, 3)
    assert sample.target.tolist() == [[1, 2], [3, 4]]
    large = DepthMap.from_values(np.arange(36.0).reshape(6, 6), "inverse_depth", "metric")
    assert sample_of(entry_of(tmp_path, large, (2, 2))).target.tolist() == [[7, 10], [25, 28]]


def test_a_target_of_another_shape_is_refused_by_the_name_of_the_file(tmp_path: Path) -> None:
    target = depth_map([[1, 2, 3]], "inverse_depth", "metric")
    with pytest.raises(FileError, match=r"a\.png.*4×4 pixels, its target has 1×3"):
        sample_of(entry_of(tmp_path, target, (4, 4)))


def test_depth_without_scale_and_shift_is_refused_by_the_name_of_the_entry(tmp_path: Path) -> None:
    target = depth_map([[1, 2]], "depth", "affine_invariant")
    with pytest.raises(ConventionError, match="set/a: affine-invariant depth has no inverse"):
        sample_of(entry_of(tmp_path, target, (1, 2)))


def test_every_kind_of_annotation_names_a_loss_that_there_is() -> None:
    assert set(ANNOTATIONS) == set(get_args(Kind))
    assert {annotation.loss for annotation in ANNOTATIONS.values()} <= {*LOSSES, "ranking"}
    assert [kind for kind, annotation in ANNOTATIONS.items() if annotation.ambiguity is None] == ["ordinal"]


def test_the_page_about_losses_says_what_the_table_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "losses.md").read_text(encoding="utf8")
    written = dict(re.findall(r"^\|.*\(`(\w+)`\) \|.*\| `([\w-]+)` \|$", page, re.MULTILINE))
    assert written == {kind: annotation.loss for kind, annotation in ANNOTATIONS.items()}


def test_moving_by_nothing_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    pairs = pairs_of([[0, 0], [4, 6]], [[4, 6], [2, 2]], (5, 7))
    image, valid = rng.integers(0, 256, (5, 7, 3), np.uint8), rng.random((5, 7)) > 0.5
    sample = Sample(image, np.where(valid, rng.random((5, 7), np.float32), 0), valid, "metric", pairs)
    moved = move(sample, IDENTITY, (5, 7))
    for name in ("image", "target", "valid"):
        np.testing.assert_array_equal(getattr(moved, name), getattr(sample, name))
    assert moved.ambiguity == "metric"
    assert moved.pairs is not None
    np.testing.assert_array_equal(moved.pairs.first, pairs.first)
    np.testing.assert_array_equal(moved.pairs.second, pairs.second)


def test_pairs_go_along_in_a_mirror_a_crop_and_a_turn() -> None:
    target = np.arange(24, dtype=np.float32).reshape(4, 6)
    sample = sample_with(target, pairs=pairs_of([[0, 0], [1, 2]], [[3, 5], [2, 3]], (4, 6)))
    mirror = np.array([[-1.0, 0, 6], [0, 1, 0]])
    crop = np.array([[1.0, 0, 2], [0, 1, 1]])
    turn = np.array([[0.0, 1, 0], [-1, 0, 4]])  # a quarter to the right: the left column becomes the top row
    for to_source, size, first, second in (
        (mirror, (4, 6), [[0, 5], [1, 3]], [[3, 0], [2, 2]]),
        (crop, (3, 4), [[0, 0]], [[1, 1]]),
        (turn, (6, 4), [[0, 3], [2, 2]], [[5, 0], [3, 1]]),
    ):
        moved = move(sample, to_source, size)
        assert moved.pairs is not None
        assert moved.pairs.first.tolist() == first
        assert moved.pairs.second.tolist() == second
        assert moved.pairs.relation.tolist() == [1] * len(first)
        assert moved.target[tuple(moved.pairs.first.T)].tolist() == [0, 8][-len(first) :]
        assert moved.target[tuple(moved.pairs.second.T)].tolist() == [23, 15][-len(first) :]


def test_dots_of_a_laser_last_however_small_the_picture_is_made() -> None:
    rng = np.random.default_rng(1)
    valid = rng.random((240, 320)) < 0.01
    target = np.where(valid, rng.uniform(0.1, 1, valid.shape), NAN)
    shrink = np.array([[8.0, 0, 0], [0, 8, 0]])
    moved = move(sample_with(target, valid), shrink, (30, 40))
    blocks = np.where(valid, target, -INF).reshape(30, 8, 40, 8).max(axis=(1, 3))
    np.testing.assert_array_equal(moved.valid, blocks > 0)
    at_centre = valid[4::8, 4::8] | valid[3::8, 3::8]
    nearest = moved.valid & ~at_centre
    # of several dots in a pixel the nearest is seen, unless one lies at its centre
    np.testing.assert_allclose(moved.target[nearest], blocks[nearest], rtol=1e-6)
    assert 0.4 < moved.valid.mean() < 0.55  # 1 - 0.99^64: 64 chances of a dot
    assert np.isin(moved.target[moved.valid], target[valid].astype(np.float32)).all()


def test_a_dense_map_is_taken_at_pixel_centres() -> None:
    target, valid = np.arange(81, dtype=np.float32).reshape(9, 9), np.ones((9, 9), bool)
    valid[1, 1] = False  # of the eight around this hole the nearest is seen
    moved = move(sample_with(target, valid), np.array([[3.0, 0, 0], [0, 3, 0]]), (3, 3))
    assert moved.target.tolist() == [[20, 13, 16], [37, 40, 43], [64, 67, 70]]


def test_what_is_not_valid_never_gets_into_the_target() -> None:
    target, valid = np.full((20, 20), NAN), np.zeros((20, 20), bool)
    target[5, 5], valid[5, 5] = 2, True
    moved = move(sample_with(target, valid), np.array([[0.7, 0.2, 1], [-0.2, 0.7, 3]]), (24, 24))
    assert np.isfinite(moved.target).all()
    assert set(moved.target[moved.valid]) == {2}
    assert moved.target[~moved.valid].max() == 0


def test_a_picture_and_its_rendered_truth_make_a_sample_of_what_they_are() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    truth = DepthMap.from_values(np.ones((2, 3)), "inverse_depth", "metric")
    sample = annotated(image, truth)
    assert sample.image is image
    assert sample.valid.all()
