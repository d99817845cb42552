"""Augmentation keeps picture and target together and never invents truth."""

from __future__ import annotations

import numpy as np
import pytest

from openmidas.training import augment
from openmidas.training.annotations import Sample, move
from openmidas.training.augment import paste_shapes, recolour, warp
from openmidas.training.datasets.entry import OrdinalPairs


def ramp_sample(height: int = 60, width: int = 90) -> Sample:
    """A picture whose red channel is its own target."""
    y, x = np.mgrid[0:height, 0:width]
    red = (20 + 2 * x + y).astype(np.uint8)
    image = np.stack([red, red, red], axis=-1)
    return Sample(image, red.astype(np.float16), np.ones((height, width), bool))


@pytest.mark.parametrize("size", [(64, 64), (32, 96), (96, 32)])
def test_warp_moves_picture_and_target_alike(size: tuple[int, int]) -> None:
    for seed in range(20):
        out = warp(ramp_sample(), size, np.random.default_rng(seed))
        assert out.image.shape == (*size, 3)
        assert out.target.shape == out.valid.shape == size
        # the picture is rounded and may be smoothed: a fold in the mirrored corner is worth a few steps
        assert np.mean(np.abs(out.image[..., 0] - out.target)) < 1.5


@pytest.mark.parametrize("size", [(64, 96), (16, 24)])
def test_a_crop_is_what_it_would_be_of_the_whole_picture(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (240, 320, 3), dtype=np.uint8)
    points = rng.integers(0, (240, 320), (400, 2))
    pairs = OrdinalPairs(points, points[::-1], np.ones(400, np.int64), (240, 320))
    valid = rng.random((240, 320)) < 0.5
    sample = Sample(image, rng.random((240, 320), np.float32) + 1, valid, "metric", pairs)
    for seed in range(20):
        crop = augment._random_crop((240, 320), size, np.random.default_rng(seed))
        whole, cut = move(sample, crop, size), warp(sample, size, np.random.default_rng(seed))
        assert np.abs(whole.image.astype(int) - cut.image).max() <= 1  # cv2 rounds positions
        assert np.mean(whole.target != cut.target) < 0.002
        assert whole.pairs is not None
        assert cut.pairs is not None
        np.testing.assert_array_equal(whole.pairs.first, cut.pairs.first)
        assert cut.ambiguity == "metric"


def test_about_half_of_all_pictures_are_mirrored() -> None:
    outputs = [warp(ramp_sample(), (32, 32), np.random.default_rng(seed)).target for seed in range(60)]
    assert 15 < sum(int(out[16, 0] > out[16, -1]) for out in outputs) < 45


def test_warp_puts_nothing_between_two_surfaces() -> None:
    sample = ramp_sample()
    target = np.where(np.arange(90) < 45, 1, 7).astype(np.float16) * np.ones((60, 1), np.float16)
    for seed in range(20):
        out = warp(Sample(sample.image, target, sample.valid), (96, 96), np.random.default_rng(seed))
        assert set(np.unique(out.target)) <= {1, 7}


def test_warp_never_calls_an_unknown_pixel_known() -> None:
    sample = ramp_sample()
    target, valid = sample.target.copy(), sample.valid.copy()
    target[:, 40:50], valid[:, 40:50] = 9999, False
    for seed in range(20):
        out = warp(Sample(sample.image, target, valid), (64, 64), np.random.default_rng(seed))
        assert out.valid.any()
        assert out.target[out.valid].max() < 400


def test_pasted_shapes_are_nearer_than_what_they_cover() -> None:
    sample = warp(ramp_sample(), (64, 64), np.random.default_rng(0))
    texture = np.full((8, 8, 3), 7, np.uint8)
    changed = 0
    for seed in range(20):
        out = paste_shapes(sample, texture, np.random.default_rng(seed))
        moved = out.target != sample.target
        changed += int(moved.sum())
        assert (
            out.target[moved] > sample.target[moved]
        ).mean() > 0.97  # a slant may dip below at its far end
        untouched = ~moved & (np.abs(out.image.astype(int) - sample.image).max(axis=2) == 0)
        assert (moved | untouched).mean() > 0.9
    assert changed > 500


def test_pairs_still_point_at_what_they_pointed_at() -> None:
    """A chessboard whose fields say their own number: each pair's points are in the middle of their fields."""
    fields = np.arange(24, dtype=np.float32).reshape(4, 6)
    target = fields.repeat(15, axis=0).repeat(15, axis=1)
    numbers = np.random.default_rng(0).integers(0, 24, (200, 2))
    first, second = (np.stack(np.divmod(n, 6), axis=1) * 15 + 7 for n in numbers.T)
    pairs = OrdinalPairs(first, second, np.sign(numbers[:, 0] - numbers[:, 1]), target.shape)
    sample = Sample(ramp_sample().image, target, target >= 0, pairs=pairs)
    kept = 0
    for seed in range(20):
        out = warp(sample, (64, 64), np.random.default_rng(seed))
        assert out.pairs is not None
        at_first, at_second = out.target[tuple(out.pairs.first.T)], out.target[tuple(out.pairs.second.T)]
        np.testing.assert_array_equal(np.sign(at_first - at_second), out.pairs.relation)
        assert out.pairs.shape == (64, 64)
        kept += len(out.pairs.relation)
    assert 500 < kept < 3900  # crops lose some


def test_shapes_leave_sparse_truth_as_sparse_as_it_was() -> None:
    sample = ramp_sample()
    valid = np.random.default_rng(0).random(sample.valid.shape) < 0.1
    sparse = Sample(sample.image, np.where(valid, sample.target, np.nan), valid)
    changed = 0
    for seed in range(20):
        out = paste_shapes(sparse, sample.image, np.random.default_rng(seed))
        np.testing.assert_array_equal(out.valid, valid)
        changed += int((out.target[valid] != sparse.target[valid]).sum())
    assert changed > 200


def test_shapes_take_the_pairs_that_they_cover_along() -> None:
    sample = ramp_sample()
    points = np.argwhere(sample.valid)
    pairs = OrdinalPairs(points, points[::-1], np.ones(len(points), np.int64), (60, 90))
    sample = Sample(sample.image, sample.target, sample.valid, "metric", pairs)
    for seed in range(20):
        out = paste_shapes(sample, np.full((8, 8, 3), 7, np.uint8), np.random.default_rng(seed))
        assert out.pairs is not None
        assert 0 < len(out.pairs.relation) < len(points)
        for end in (out.pairs.first, out.pairs.second):
            np.testing.assert_array_equal(out.image[tuple(end.T)], sample.image[tuple(end.T)])
        assert out.ambiguity == "metric"


def test_no_shape_falls_where_no_depth_is_known() -> None:
    sample = ramp_sample()
    pairs = OrdinalPairs(np.array([[1, 2]]), np.array([[3, 4]]), np.array([1]), (60, 90))
    ordinal = Sample(sample.image, np.zeros((60, 90)), np.zeros((60, 90), bool), pairs=pairs)
    out = paste_shapes(ordinal, sample.image, np.random.default_rng(0))
    np.testing.assert_array_equal(out.image, ordinal.image)
    assert out.pairs is not None
    assert out.pairs.first.tolist() == [[1, 2]]


def test_recolour_keeps_the_shape_and_the_range() -> None:
    image = ramp_sample().image
    outputs = [recolour(image, np.random.default_rng(seed)) for seed in range(30)]
    assert all(out.shape == image.shape and out.dtype == np.uint8 for out in outputs)
    assert len({out.tobytes() for out in outputs}) > 20  # now and then a picture stays as it is


def test_colours_by_table_are_those_of_the_formula() -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = (image / 255) ** np.exp(rng.normal(0, 0.25))
        x = (x - 0.5) * np.exp(rng.normal(0, 0.2)) + 0.5 + rng.normal(0, 0.07)
        x *= np.exp(rng.normal(0, 0.08, 3))
        gray = x.mean(axis=2, keepdims=True)
        x = gray + (x - gray) * rng.choice([0.0, rng.uniform(0.4, 1.6)], p=[0.06, 0.94])
        regraded = augment._regraded(image, np.random.default_rng(seed))
        assert np.abs(regraded - 255 * x.clip(0, 1)).max() < 0.501


def test_draws_follow_from_the_seed() -> None:
    first, second = (
        recolour(warp(ramp_sample(), (32, 32), rng).image, rng)
        for rng in (np.random.default_rng(5), np.random.default_rng(5))
    )
    np.testing.assert_array_equal(first, second)
