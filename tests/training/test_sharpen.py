"""Depth edges move to the picture's edges; what is smooth, and what has no edge to move to, stays."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmidas.training.sharpen import snap_to_edges


def two_surfaces(edge: int = 32) -> np.ndarray:
    """Blue on the left, yellow from column `edge` on, with a little grain."""
    image = np.zeros((40, 64, 3), np.uint8)
    image[:, :edge], image[:, edge:] = (40, 60, 160), (220, 200, 60)
    grain = np.random.default_rng(0).integers(-6, 7, image.shape)
    return (image + grain).clip(0, 255).astype(np.uint8)


def soft_step(edge: float) -> np.ndarray:
    """0 to 1 over about eight columns around `edge`."""
    return np.tile(1 / (1 + np.exp(-(np.arange(64) + 0.5 - edge) / 1.5)).astype(np.float32), (40, 1))


@pytest.mark.parametrize("off", [-2, 0, 2])
def test_a_ramp_becomes_a_step_at_the_colour_edge(off: int) -> None:
    sharp = snap_to_edges(soft_step(32 + off), two_surfaces())[20]
    step = np.diff(sharp)
    assert step.argmax() == 31
    assert step.max() > 0.7
    assert np.diff(soft_step(32 + off)[20]).max() < 0.2


def test_a_slope_without_an_edge_stays() -> None:
    slope = np.tile(np.linspace(0, 1, 128, dtype=np.float32), (40, 1))
    inner = np.s_[:, 32:-32]  # beside the frame there are no neighbours on one side
    same = snap_to_edges(slope, np.full((40, 128, 3), 128, np.uint8))
    np.testing.assert_allclose(same[inner], slope[inner], atol=0.01)


def test_a_painted_edge_makes_no_depth() -> None:
    flat = np.full((40, 64), 3, np.float32)
    np.testing.assert_allclose(snap_to_edges(flat, two_surfaces()), flat, rtol=1e-5)


@given(scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
def test_scale_and_shift_go_through(scale: float, shift: float) -> None:
    noisy = cv2.GaussianBlur(np.random.default_rng(2).random((40, 64)).astype(np.float32), (0, 0), 3)
    plain, other = (snap_to_edges(x, two_surfaces()) for x in (noisy, noisy * scale + shift))
    tolerance = 1e-3 * scale + 1e-5 * abs(shift)
    np.testing.assert_allclose(other, plain * scale + shift, atol=tolerance)
    assert plain.min() >= noisy.min() - 1e-5
    assert plain.max() <= noisy.max() + 1e-5
