"""The losses against hand-made numbers, finite differences, and what defines them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from openmidas.training.datasets.entry import OrdinalPairs
from openmidas.training.losses import (
    GRADIENT_WEIGHT,
    LOSSES,
    Pairs,
    anchor,
    gradient_matching,
    normalise,
    ranking,
    ssi_mae,
    ssi_mse,
    ssi_trim,
    to_pairs,
    trimmed_absolute,
    trimmed_loss,
    unit_range,
)

KEPT = torch.full((3,), 0.8)
NAMES = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
DEGENERATE = pytest.mark.parametrize("valid_pixels", [0, 1, 2, 384])


def random_maps(count: int = 3, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    prediction, target, drawn = torch.rand(3, count, 16, 24, generator=generator, dtype=dtype)
    return prediction, target, drawn > 0.2


def row(*values: float) -> Tensor:
    """One picture of one row."""
    return torch.tensor([[values]], dtype=torch.float32)


def everywhere(maps: Tensor) -> Tensor:
    return torch.ones_like(maps, dtype=torch.bool)


def value_and_gradient(
    loss: Callable[..., Tensor], prediction: Tensor, *rest: object
) -> tuple[Tensor, Tensor]:
    prediction = prediction.clone().requires_grad_(True)
    values = loss(prediction, *rest)
    (gradient,) = torch.autograd.grad(values.sum(), prediction)
    return values.detach(), gradient


# -- by hand ---------------------------------------------------------------------------------------------------


def test_ssi_mse_by_hand() -> None:
    # the best line through (0, 1), (1, 0), (2, 5) is 2 d + 0: residuals -1, 2, -1, squares 6, over 2 · 3
    value = ssi_mse(row(0, 1, 2), row(1, 0, 5), everywhere(row(0, 1, 2)))
    torch.testing.assert_close(value, torch.tensor([1.0]))
    # differences of the residuals 3 and 3 at the finest scale, -1 to -1 at the next: 0.5 · 6 / 3 more
    value = ssi_mse(row(0, 1, 2), row(1, 0, 5), everywhere(row(0, 1, 2)), GRADIENT_WEIGHT)
    torch.testing.assert_close(value, torch.tensor([2.0]))


def test_ssi_mae_by_hand() -> None:
    # median 1, deviation 2/3: -1.5, 0, 1.5; median 1, deviation 5/3: 0, -0.6, 2.4; |-1.5| + 0.6 + |-0.9| over 6
    value = ssi_mae(row(0, 1, 2), row(1, 0, 5), everywhere(row(0, 1, 2)))
    torch.testing.assert_close(value, torch.tensor([0.5]))


def test_ssi_trim_by_hand() -> None:
    prediction, target = row(-3, 0, 0, 0, 1), row(0, 0, 0, 0, 8)
    # medians 0, deviations 4/5 and 8/5: -3.75, 0, 0, 0, 1.25 and 0, 0, 0, 0, 5. Two residuals are 3.75, and one
    # of them counts, over 2 · 5
    value = ssi_trim(prediction, target, everywhere(prediction))
    torch.testing.assert_close(value, torch.tensor([0.375]))
    torch.testing.assert_close(ssi_mae(prediction, target, everywhere(prediction)), torch.tensor([0.75]))


def test_normalise_by_hand() -> None:
    x = row(1, 2, 3, 4, 10, 99)
    valid = torch.tensor([[[True] * 5 + [False]]])
    # median 3, mean absolute deviation (2 + 1 + 0 + 1 + 7) / 5 = 2.2
    torch.testing.assert_close(normalise(x, valid), row(-2, -1, 0, 1, 7, 0) / 2.2)


def test_the_median_of_an_even_number_is_the_lower_of_the_middle_two() -> None:
    x, valid = row(4, 1, 3, 2, 99), torch.tensor([[[True] * 4 + [False]]])
    torch.testing.assert_close(normalise(x, valid), row(2, -1, 1, 0, 0))


def test_trimmed_absolute_drops_the_largest_fifth() -> None:
    residual = row(1, -2, 3, -4, 100)
    # the four smallest sum to 10; over 2 M = 10
    for kept, expected in ((0.8, 1.0), (1.0, 11.0)):
        value = trimmed_absolute(residual, everywhere(residual), torch.tensor([kept]))
        torch.testing.assert_close(value, torch.tensor([expected]))


def test_equal_residuals_at_the_limit_share_what_is_kept() -> None:
    residual = row(-1, 2, 2, 2, 2, 2, 2, 2, 2, 2)  # eight of ten: 1 and seven of nine twos, over 20
    value, gradient = value_and_gradient(
        trimmed_absolute, residual, everywhere(residual), torch.tensor([0.8])
    )
    torch.testing.assert_close(value, torch.tensor([15.0 / 20]))
    torch.testing.assert_close(gradient, row(-1, *[7 / 9] * 9) / 20)


def test_gradient_matching_by_hand() -> None:
    residual = torch.tensor([[[0.0, 1.0], [3.0, 3.0]]])
    # finest scale: |1| + |0| across, |3| + |2| down; the coarser ones have one pixel; over M = 4
    torch.testing.assert_close(gradient_matching(residual, everywhere(residual)), torch.tensor([6.0 / 4]))
    valid = torch.tensor([[[True, True], [True, False]]])
    torch.testing.assert_close(gradient_matching(residual, valid), torch.tensor([(1.0 + 3.0) / 3]))


def test_gradient_matching_sees_a_ramp_at_four_scales() -> None:
    # 16 pixels, one more each: 15 steps of 1, 7 of 2, 3 of 4, 1 of 8
    ramp = row(*range(16))
    torch.testing.assert_close(
        gradient_matching(ramp, everywhere(ramp)), torch.tensor([(15 + 14 + 12 + 8) / 16])
    )


def test_ranking_by_hand() -> None:
    prediction = torch.tensor([[[1.0, 3.0], [0.0, 3.5]], [[0.0, 0.0], [0.0, 0.0]]])
    first, second = np.array([[0, 0], [0, 1], [1, 1]]), np.array([[0, 1], [1, 0], [0, 1]])
    three = OrdinalPairs(first, second, np.array([-1, -1, 0]), (2, 2))
    one = OrdinalPairs(first[:1], second[:1], np.array([1]), (2, 2))
    # log(1 + e^(1 - 3)), log(1 + e^(3 - 0)), (3.5 - 3)²
    expected = [(np.log1p(np.exp(-2)) + np.log1p(np.exp(3)) + 0.25) / 3, np.log(2)]
    torch.testing.assert_close(ranking(prediction, to_pairs([three, one])), torch.tensor(expected).float())


def test_pictures_without_pairs_cost_nothing() -> None:
    one = OrdinalPairs(np.array([[0, 0]]), np.array([[1, 1]]), np.array([1]), (2, 2))
    values, gradient = value_and_gradient(ranking, torch.rand(2, 2, 2), to_pairs([None, one]))
    assert values[0] == 0
    assert values[1] > 0
    assert gradient[0].abs().max() == 0
    assert ranking(torch.rand(2, 2, 2), to_pairs([None, None])).tolist() == [0, 0]


def test_unit_range_by_hand() -> None:
    valid = torch.tensor([[[True, True, True, False]]])
    torch.testing.assert_close(unit_range(row(2, 4, 10, 99), valid), row(0, 0.25, 1, 0))
    assert unit_range(row(3, 3, 3, 9), valid).tolist() == [[[0, 0, 0, 0]]]


# -- what defines them -------------------------------------------------------------------------------------------


@NAMES
@pytest.mark.parametrize(("scale", "shift"), [(0.01, 0.0), (3.0, 7.0), (250.0, -40.0)])
def test_scale_and_shift_of_the_prediction_are_forgiven(
    loss: Callable[..., Tensor], scale: float, shift: float
) -> None:
    prediction, target, valid = random_maps()
    expected = loss(prediction, target, valid, GRADIENT_WEIGHT)
    assert (expected > 0.1).all()
    moved = loss(scale * prediction + shift, target, valid, GRADIENT_WEIGHT)
    torch.testing.assert_close(moved, expected, rtol=1e-3, atol=1e-4)
    own = loss(scale * target + shift, target, valid, GRADIENT_WEIGHT)
    torch.testing.assert_close(own, torch.zeros(3), atol=1e-4, rtol=0)


@pytest.mark.parametrize("loss", [ssi_mae, ssi_trim])
def test_scale_and_shift_of_the_target_are_forgiven_by_the_robust_ones(loss: Callable[..., Tensor]) -> None:
    prediction, target, valid = random_maps(dtype=torch.float64)
    for scale, shift in ((1e-6, 0.0), (1000.0, 5.0)):
        torch.testing.assert_close(
            loss(prediction, scale * target + shift, valid), loss(prediction, target, valid)
        )


def test_ssi_mse_is_the_least_that_any_scale_and_shift_leave() -> None:
    prediction, target, valid = random_maps(dtype=torch.float64)
    for b in range(3):
        d, goal = prediction[b][valid[b]].numpy(), target[b][valid[b]].numpy()
        _, squares, *_ = np.linalg.lstsq(np.stack([d, np.ones_like(d)], axis=1), goal, rcond=None)
        assert ssi_mse(prediction, target, valid)[b].item() == pytest.approx(squares[0] / (2 * d.size))


def test_near_and_far_are_not_mistaken_by_the_robust_ones() -> None:
    prediction, target, valid = random_maps()
    for loss in (ssi_mae, ssi_trim):
        assert (loss(-target, target, valid) > loss(prediction, target, valid)).all()


def test_trimming_forgives_outliers_that_the_others_do_not() -> None:
    prediction, _, valid = random_maps()
    wrong = prediction + 30 * (
        torch.rand(prediction.shape, generator=torch.Generator().manual_seed(1)) < 0.05
    )
    trimmed, whole = ssi_trim(prediction, wrong, valid), ssi_mae(prediction, wrong, valid)
    assert (trimmed < 0.75 * whole).all()


@NAMES
def test_gradients_are_those_of_finite_differences(loss: Callable[..., Tensor]) -> None:
    prediction, target, valid = (maps[:, :7, :9] for maps in random_maps(2, torch.float64))
    prediction = prediction.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda p: loss(p, target, valid, GRADIENT_WEIGHT), prediction)


def test_gradients_of_ranking_and_anchor_are_those_of_finite_differences() -> None:
    prediction, _, valid = (maps[:, :5, :5] for maps in random_maps(2, torch.float64))
    prediction = prediction.clone().requires_grad_(True)
    generator = torch.Generator().manual_seed(0)
    points = torch.randint(0, 5, (2, 6, 4), generator=generator)
    relation = torch.tensor([[1, 0, -1, 1, -1, 0]] * 2)
    pairs = Pairs(points, relation, torch.rand(2, 6, generator=generator) > 0.3)
    assert torch.autograd.gradcheck(lambda p: ranking(p, pairs), prediction)
    assert torch.autograd.gradcheck(lambda p: anchor(p, valid), prediction)


@NAMES
@pytest.mark.parametrize("hidden", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_what_stands_under_invalid_pixels_changes_no_bit(loss: Callable[..., Tensor], hidden: float) -> None:
    prediction, target, valid = random_maps()
    expected = value_and_gradient(loss, prediction, target, valid, GRADIENT_WEIGHT)
    spoilt = [maps.masked_fill(~valid, hidden) for maps in (prediction, target)]
    found = value_and_gradient(loss, *spoilt, valid, GRADIENT_WEIGHT)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])
    assert found[1][~valid].abs().max() == 0
    assert found[1][valid].abs().max() > 0


@pytest.mark.parametrize("part", [normalise, gradient_matching, lambda r, v: trimmed_absolute(r, v, KEPT)])
def test_invalid_pixels_change_no_bit_of_the_parts(part: Callable[..., Tensor]) -> None:
    residual, _, valid = random_maps()
    expected = value_and_gradient(part, residual, valid)
    found = value_and_gradient(part, residual.masked_fill(~valid, torch.nan), valid)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


def test_what_no_pair_points_at_changes_no_bit_of_ranking() -> None:
    pair = OrdinalPairs(np.array([[1, 1]]), np.array([[2, 2]]), np.array([1]), (3, 3))
    two = OrdinalPairs(np.array([[1, 1], [2, 1]]), np.array([[2, 2], [1, 2]]), np.array([1, 0]), (3, 3))
    prediction = torch.rand(2, 3, 3)
    spoilt = prediction.clone()
    spoilt[:, 0], spoilt[:, :, 0] = torch.nan, torch.inf  # (0, 0) is what the shorter list is filled up with
    spoilt[1, 2, 1] = prediction[1, 2, 1]
    spoilt[1, 1, 2] = prediction[1, 1, 2]
    for one, other in zip(
        value_and_gradient(ranking, prediction, to_pairs([pair, two])),
        value_and_gradient(ranking, spoilt, to_pairs([pair, two])),
        strict=True,
    ):
        assert torch.equal(one, other)


def test_invalid_pixels_change_no_bit_of_the_anchor_and_the_unit_range() -> None:
    prediction, _, valid = random_maps()
    spoilt = prediction.masked_fill(~valid, torch.nan)
    for one, other in zip(
        value_and_gradient(anchor, prediction, valid), value_and_gradient(anchor, spoilt, valid), strict=True
    ):
        assert torch.equal(one, other)
    assert torch.equal(unit_range(prediction, valid), unit_range(spoilt, valid))


def test_each_picture_counts_for_itself() -> None:
    prediction, target, valid = random_maps()
    kept = torch.tensor([0.5, 1.0, 0.8])
    alone = [
        trimmed_loss(*(maps[b : b + 1] for maps in (prediction, target, valid, kept)), 0.5) for b in range(3)
    ]
    torch.testing.assert_close(trimmed_loss(prediction, target, valid, kept, 0.5), torch.cat(alone))
    torch.testing.assert_close(alone[1], ssi_mae(prediction, target, valid, 0.5)[1:2])
    torch.testing.assert_close(alone[2], ssi_trim(prediction, target, valid, 0.5)[2:3])


# -- pictures at the edge of what a loss can say ----------------------------------------------------------------


@NAMES
@DEGENERATE
@pytest.mark.parametrize("constant", ["prediction", "target", "both", "neither"])
@pytest.mark.parametrize("level", [0.0, 1 / 3, 1e-4, 65504.0])
def test_degenerate_pictures_have_finite_losses_and_gradients(
    loss: Callable[..., Tensor], valid_pixels: int, constant: str, level: float
) -> None:
    prediction, target, _ = random_maps()
    valid = (torch.arange(384) < valid_pixels).reshape(16, 24).expand(3, 16, 24)
    if constant in ("prediction", "both"):
        prediction = torch.full_like(prediction, level)
    if constant in ("target", "both"):
        target = torch.full_like(target, level)
    values, gradient = value_and_gradient(loss, prediction, target, valid, GRADIENT_WEIGHT)
    assert values.isfinite().all()
    assert gradient.isfinite().all()
    if constant in ("prediction", "both"):
        assert gradient.abs().max() == 0
    if constant == "both" or valid_pixels < 2:
        assert values.abs().max() <= 1e-12 * max(level, 1) ** 2
        assert gradient.abs().max() == 0


@pytest.mark.parametrize("pixels", [3, 1000, 12_345, 300_000])
def test_rounding_makes_no_variance_of_a_constant(pixels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    levels = torch.rand(8, 1, 1, generator=generator) * 10.0 ** torch.arange(-3, 5)[:, None, None]
    prediction, target = levels.expand(8, 1, pixels), torch.rand(8, 1, pixels, generator=generator)
    for loss in LOSSES.values():
        _, gradient = value_and_gradient(loss, prediction, target, everywhere(target))
        assert gradient.abs().max() == 0


def test_one_picture_without_valid_pixels_leaves_the_others_as_they_are() -> None:
    prediction, target, valid = random_maps()
    valid[1] = False
    for loss in LOSSES.values():
        values = loss(prediction, target, valid, GRADIENT_WEIGHT)
        others = loss(prediction[::2], target[::2], valid[::2], GRADIENT_WEIGHT)
        torch.testing.assert_close(values[::2], others)
        assert values[1] == 0
    assert anchor(prediction, valid)[1] == 0


@NAMES
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(loss: Callable[..., Tensor], dtype: torch.dtype) -> None:
    prediction, target, valid = random_maps()
    large = ((2 * prediction - 1) * 65504).to(dtype)
    values, gradient = value_and_gradient(loss, large, target, valid, GRADIENT_WEIGHT)
    assert values.dtype == torch.float32
    assert torch.equal(values, loss(large.float(), target, valid, GRADIENT_WEIGHT))
    assert gradient.isfinite().all()
    same = loss(large, large, valid, GRADIENT_WEIGHT)
    assert same.isfinite().all()
    assert loss(large, (target * 65504).to(dtype), valid, GRADIENT_WEIGHT).isfinite().all()


def test_half_precision_under_autocast_gives_what_single_does() -> None:
    prediction, target, valid = random_maps()
    pairs = Pairs(torch.randint(0, 16, (3, 5, 4)), torch.tensor([[1, -1, 0, 1, 1]] * 3), torch.ones(3, 5) > 0)
    plain = [loss(prediction, target, valid) for loss in LOSSES.values()]
    plain.append(ranking(prediction, pairs))
    with torch.autocast("cpu", torch.bfloat16):
        cast = [loss(prediction, target, valid) for loss in LOSSES.values()]
        cast.append(ranking(prediction, pairs))
    torch.testing.assert_close(cast, plain)


def test_ranking_of_extreme_half_precision_is_finite() -> None:
    prediction = torch.tensor([[[65504.0, -65504.0]]], dtype=torch.float16)
    for relation in (-1, 0, 1):
        pair = OrdinalPairs(np.array([[0, 0]]), np.array([[0, 1]]), np.array([relation]), (1, 2))
        values, gradient = value_and_gradient(ranking, prediction, to_pairs([pair]))
        assert values.isfinite().all()
        assert gradient.isnan().sum() == 0


def test_a_large_picture_has_the_loss_of_its_equal_parts() -> None:
    prediction, target = (maps[:1, :10, :20] for maps in random_maps()[:2])
    valid = (torch.arange(200) % 5 > 0).reshape(
        1, 10, 20
    )  # 160: four fifths are whole pixels, as of the large one
    large = [maps.repeat(1, 150, 100) for maps in (prediction, target, valid)]
    for loss in LOSSES.values():
        torch.testing.assert_close(loss(*large), loss(prediction, target, valid), rtol=1e-4, atol=0)


# -- the anchor --------------------------------------------------------------------------------------------------


def test_anchor_rests_at_median_four_and_deviation_one() -> None:
    prediction, _, valid = random_maps()
    resting = 4 + normalise(prediction, valid)
    torch.testing.assert_close(anchor(resting, valid), torch.zeros(3), atol=1e-6, rtol=0)
    assert (anchor(resting + 2, valid) > 0.2).all()
    assert (anchor(4 + 3 * (resting - 4), valid) > 1).all()
    torch.testing.assert_close(anchor(4 + 3 * (resting - 4), valid), anchor(4 + (resting - 4) / 3, valid))
