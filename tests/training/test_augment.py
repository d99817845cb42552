"""Augmentation keeps picture and target together and never invents truth."""

from __future__ import annotations

import numpy as np
import pytest

from openmidas.training.augment import Sample, paste_shapes, recolour, warp


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


def test_recolour_keeps_the_shape_and_the_range() -> None:
    image = ramp_sample().image
    outputs = [recolour(image, np.random.default_rng(seed)) for seed in range(30)]
    assert all(out.shape == image.shape and out.dtype == np.uint8 for out in outputs)
    assert len({out.tobytes() for out in outputs}) > 20  # now and then a picture stays as it is


def test_draws_follow_from_the_seed() -> None:
    first, second = (
        recolour(warp(ramp_sample(), (32, 32), rng).image, rng)
        for rng in (np.random.default_rng(5), np.random.default_rng(5))
    )
    np.testing.assert_array_equal(first, second)
