"""The scale- and shift-invariant losses against hand-made numbers and their defining properties."""

from __future__ import annotations

import pytest
import torch

from openmidas.training.losses import anchor, gradient_matching, normalise, trimmed_absolute, trimmed_loss

KEPT = torch.full((3,), 0.8)
GENERATOR = torch.Generator().manual_seed(0)


def random_maps(count: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    prediction = torch.rand(count, 16, 24, generator=GENERATOR)
    target = torch.rand(count, 16, 24, generator=GENERATOR)
    return prediction, target, torch.rand(count, 16, 24, generator=GENERATOR) > 0.2


def test_normalise_by_hand() -> None:
    x = torch.tensor([[[1.0, 2.0, 3.0, 4.0, 10.0, 99.0]]])
    valid = torch.tensor([[[True] * 5 + [False]]])
    # median 3, mean absolute deviation (2 + 1 + 0 + 1 + 7) / 5 = 2.2
    expected = torch.tensor([-2.0, -1.0, 0.0, 1.0, 7.0, 0.0]) / 2.2
    torch.testing.assert_close(normalise(x, valid)[0, 0], expected)


def test_trimmed_absolute_drops_the_largest_fifth() -> None:
    residual = torch.tensor([[[1.0, -2.0, 3.0, -4.0, 100.0]]])
    everywhere = torch.ones_like(residual) > 0
    # the four smallest sum to 10; over 2 M = 10
    torch.testing.assert_close(
        trimmed_absolute(residual, everywhere, torch.tensor([0.8])), torch.tensor([1.0])
    )
    torch.testing.assert_close(
        trimmed_absolute(residual, everywhere, torch.tensor([1.0])), torch.tensor([11.0])
    )


def test_gradient_matching_by_hand() -> None:
    residual = torch.tensor([[[0.0, 1.0], [3.0, 3.0]]])
    # finest scale: |1| + |0| across, |3| + |2| down; the coarser ones have one pixel; over M = 4
    value = gradient_matching(residual, torch.ones_like(residual) > 0)
    torch.testing.assert_close(value, torch.tensor([6.0 / 4]))


def test_gradient_matching_skips_pairs_with_an_invalid_pixel() -> None:
    residual = torch.tensor([[[0.0, 1.0], [3.0, 3.0]]])
    valid = torch.tensor([[[True, True], [True, False]]])
    torch.testing.assert_close(gradient_matching(residual, valid), torch.tensor([(1.0 + 3.0) / 3]))


@pytest.mark.parametrize(("scale", "shift"), [(0.01, 0.0), (3.0, 7.0), (250.0, -40.0)])
def test_loss_forgives_scale_and_shift(scale: float, shift: float) -> None:
    prediction, target, valid = random_maps()
    alpha = torch.full((3,), 0.5)
    expected = trimmed_loss(prediction, target, valid, KEPT, alpha)
    torch.testing.assert_close(
        trimmed_loss(scale * prediction + shift, target, valid, KEPT, alpha), expected, rtol=1e-3, atol=1e-4
    )
    torch.testing.assert_close(
        trimmed_loss(scale * target + shift, target, valid, KEPT, alpha), torch.zeros(3), atol=1e-4, rtol=0
    )
    assert (expected > 0.1).all()


def test_loss_tells_near_from_far() -> None:
    prediction, target, valid = random_maps()
    alpha = torch.zeros(3)
    assert (
        trimmed_loss(-target, target, valid, KEPT, alpha)
        > trimmed_loss(prediction, target, valid, KEPT, alpha)
    ).all()


def test_invalid_pixels_get_no_gradient() -> None:
    prediction, target, valid = random_maps()
    prediction.requires_grad_(True)
    trimmed_loss(prediction, target, valid, KEPT, torch.full((3,), 0.5)).sum().backward()
    assert prediction.grad is not None
    assert prediction.grad[~valid].abs().max() == 0
    assert prediction.grad[valid].abs().max() > 0


def test_picture_without_valid_pixels_costs_nothing_and_stays_finite() -> None:
    prediction, target, valid = random_maps()
    valid[1] = False
    prediction.requires_grad_(True)
    losses = trimmed_loss(prediction, target, valid, KEPT, torch.full((3,), 0.5))
    losses.sum().backward()
    assert losses[1] == 0
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()


def test_flat_prediction_has_a_finite_loss_and_gradient() -> None:
    prediction, target, valid = random_maps()
    flat = torch.ones_like(prediction, requires_grad=True)
    losses = trimmed_loss(flat, target, valid, KEPT, torch.full((3,), 0.5))
    losses.sum().backward()
    assert losses.isfinite().all()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()


def test_anchor_rests_at_median_four_and_deviation_one() -> None:
    prediction, _, valid = random_maps()
    resting = 4 + normalise(prediction, valid)
    torch.testing.assert_close(anchor(resting, valid), torch.zeros(3), atol=1e-6, rtol=0)
    assert (anchor(resting + 2, valid) > 0.2).all()
    assert (anchor(4 + 3 * (resting - 4), valid) > 1).all()
    torch.testing.assert_close(anchor(4 + 3 * (resting - 4), valid), anchor(4 + (resting - 4) / 3, valid))
