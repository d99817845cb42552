"""Losses that are blind to scale and shift in inverse depth, and one for ordered pairs. Explained in docs/losses.md.

Source: Ranftl et al., TPAMI 2022, section 5. All are pure functions of pictures (b, h, w) with one value a picture.
They compute in single precision at least, whatever comes in. What stands under a pixel that is not valid, NaN and
infinities included, changes neither a value nor a gradient. Pictures without a valid pixel cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import softplus

from openmidas.networks.tiny import OUTPUT_MEDIAN
from openmidas.training.datasets.entry import OrdinalPairs

GRADIENT_SCALES = 4
GRADIENT_WEIGHT = 0.5  # the paper's alpha
TRIM_KEPT = 0.8
LEAST_DEVIATION = 1e-6  # of what `anchor` takes the logarithm

_Maps = Float[Tensor, "b h w"]
_Valid = Bool[Tensor, "b h w"]
_Weight = float | Float[Tensor, " b"]


def ssi_mse(
    prediction: _Maps, target: _Maps, valid: _Valid, gradient_weight: _Weight = 0.0
) -> Float[Tensor, " b"]:
    """Squares of the residual after a least-squares fit of scale and shift, summed, over 2 M (equations 1 to 4).

    gradient_weight: that of `gradient_matching` of the same residual, which is added. It stays in the target's unit,
    so the paper brings targets to 0 ... 1 first: `unit_range`.
    """
    residual = fitted_residual(prediction, target, valid)
    squares = _per_picture(residual.square()) / (2 * _count(valid))
    return _with_gradients(squares, residual, valid, gradient_weight)


def ssi_mae(
    prediction: _Maps, target: _Maps, valid: _Valid, gradient_weight: _Weight = 0.0
) -> Float[Tensor, " b"]:
    """Sizes of the residual after `normalise` of both maps, summed, over 2 M (equations 5 to 7)."""
    kept = torch.ones(prediction.shape[:1], device=prediction.device)
    return trimmed_loss(prediction, target, valid, kept, gradient_weight)


def ssi_trim(
    prediction: _Maps, target: _Maps, valid: _Valid, gradient_weight: _Weight = 0.0
) -> Float[Tensor, " b"]:
    """`ssi_mae` without the largest fifth of each picture's residuals, still over 2 M (equation 8)."""
    kept = torch.full(prediction.shape[:1], TRIM_KEPT, device=prediction.device)
    return trimmed_loss(prediction, target, valid, kept, gradient_weight)


Loss = Callable[[_Maps, _Maps, _Valid, _Weight], Float[Tensor, " b"]]
LOSSES: Mapping[str, Loss] = MappingProxyType({"ssi-mse": ssi_mse, "ssi-mae": ssi_mae, "ssi-trim": ssi_trim})


def trimmed_loss(
    prediction: _Maps, target: _Maps, valid: _Valid, kept: Float[Tensor, " b"], gradient_weight: _Weight
) -> Float[Tensor, " b"]:
    """What `ssi_mae` (kept 1) and `ssi_trim` (kept 0.8) are cases of: every picture keeps a share of its own."""
    residual = normalised_residual(prediction, target, valid)
    return _with_gradients(trimmed_absolute(residual, valid, kept), residual, valid, gradient_weight)


def fitted_residual(prediction: _Maps, target: _Maps, valid: _Valid) -> _Maps:
    """scale · prediction + shift - target by least squares over the valid pixels of each picture; 0 elsewhere.

    A prediction that is the same everywhere has no scale (the determinant is not positive): it is fitted by the shift
    alone, and gets no gradient.
    """
    centred, mean = _centred(prediction, valid)
    goal, _ = _centred(target, valid)
    count = _count(valid)[:, None, None]
    variance = _per_picture(centred.square())[:, None, None] / count
    # centred first: sums of squares would cancel. What rounding the mean leaves of a constant is no variance.
    varies = variance > (4 * torch.finfo(variance.dtype).eps * mean).square()
    covariance = _per_picture(centred * goal)[:, None, None] / count
    scale = torch.where(varies, covariance, 0) / torch.where(varies, variance, 1)
    return scale * centred - goal


def normalised_residual(prediction: _Maps, target: _Maps, valid: _Valid) -> _Maps:
    """Difference of the two maps after `normalise`."""
    return normalise(prediction, valid) - normalise(target, valid)


def normalise(x: _Maps, valid: _Valid) -> _Maps:
    """(x - median) / mean absolute deviation over the valid pixels of each picture; 0 where not valid (equation 5).

    Of an even number the median is the lower of the two in the middle. What is the same everywhere becomes 0 and
    gets no gradient.
    """
    x = _clean(x, valid)
    median, deviation = _median_and_deviation(x, valid)
    varies = deviation > torch.finfo(x.dtype).eps * median.abs()
    centred = torch.where(valid & varies, x - median, 0)
    return centred / torch.where(varies, deviation, 1)


def trimmed_absolute(residual: _Maps, valid: _Valid, kept: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """The smallest share `kept` of each picture's absolute residuals, summed, over 2 M (equation 8).

    Of equal residuals at the limit each counts for the same part.
    """
    errors, valid = _clean(residual, valid).abs().flatten(1), valid.flatten(1)
    count = valid.sum(1)
    keep = (kept * count).round().long()
    limit = torch.full_like(errors[:, :1], torch.inf)
    trimmed = (kept < 1).nonzero().flatten()
    limit[trimmed] = _smallest(errors[trimmed], valid[trimmed], (keep[trimmed] - 1).clamp(min=0))
    below, at_limit = valid & (errors < limit), valid & (errors == limit)
    share = (keep - below.sum(1)) / at_limit.sum(1).clamp(min=1)
    return ((below + at_limit * share[:, None]) * errors).sum(1) / (2 * count.clamp(min=1))


def gradient_matching(residual: _Maps, valid: _Valid) -> Float[Tensor, " b"]:
    """Absolute differences of neighbouring residuals at four scales, summed, over M (equation 11).

    Every scale takes every second row and column of the one before. A difference counts where both pixels are valid.
    """
    residual = _clean(residual, valid)
    total = residual.new_zeros(residual.shape[0])
    for k in range(GRADIENT_SCALES):
        r, v = residual[:, :: 2**k, :: 2**k], valid[:, :: 2**k, :: 2**k]
        across = (r[:, :, 1:] - r[:, :, :-1]).abs() * (v[:, :, 1:] & v[:, :, :-1])
        down = (r[:, 1:] - r[:, :-1]).abs() * (v[:, 1:] & v[:, :-1])
        total = total + _per_picture(across) + _per_picture(down)
    return total / _count(valid)


class Pairs(NamedTuple):
    """The ordered pairs of a batch, each picture's filled up to the most that one has.

    points: row and column of the first, row and column of the second. relation: +1 the first is nearer, -1 the second,
    0 both are as far. valid: which are pairs and which only fill up.
    """

    points: Int[Tensor, "b n 4"]
    relation: Int[Tensor, "b n"]
    valid: Bool[Tensor, "b n"]


def to_pairs(pictures: Sequence[OrdinalPairs | None]) -> Pairs:
    """The pairs of several pictures, none for None, as tensors."""
    most = max((len(p.relation) for p in pictures if p is not None), default=0)
    points = np.zeros((len(pictures), most, 4), np.int64)
    relation = np.zeros((len(pictures), most), np.int64)
    valid = np.zeros((len(pictures), most), np.bool_)
    for row, pairs in enumerate(pictures):
        if pairs is not None:
            n = len(pairs.relation)
            points[row, :n] = np.concatenate([pairs.first, pairs.second], axis=1)
            relation[row, :n], valid[row, :n] = pairs.relation, True
    return Pairs(torch.from_numpy(points), torch.from_numpy(relation), torch.from_numpy(valid))


def ranking(prediction: _Maps, pairs: Pairs) -> Float[Tensor, " b"]:
    """Mean over each picture's pairs of log(1 + exp(-r (p_i - p_j))), or of (p_i - p_j)² where r is 0.

    It knows no scale: twice the prediction costs less where the order is right. Source: Xian et al., CVPR 2018, after
    Chen et al., NIPS 2016; p is inverse depth, so r is +1 where the first point is nearer.
    """
    picture = torch.arange(len(prediction), device=prediction.device)[:, None]
    row, column, other_row, other_column = pairs.points.unbind(2)
    first, second = prediction[picture, row, column], prediction[picture, other_row, other_column]
    difference = _clean(first, pairs.valid) - _clean(second, pairs.valid)
    ordered = pairs.valid & (pairs.relation != 0)
    order_losses = torch.where(ordered, softplus(-pairs.relation * difference), 0)
    losses = order_losses + torch.where(ordered, 0, difference).square()
    return losses.sum(1) / pairs.valid.sum(1).clamp(min=1)


def anchor(prediction: _Maps, valid: _Valid) -> Float[Tensor, " b"]:
    """How far each picture's median is from 4 and its mean absolute deviation from 1, in parts of those.

    A loss that forgives scale and shift lets both drift. Activations then grow until biases no longer count, and
    the final ReLU cuts off what is far. A weak pull to any fixed place prevents it.
    """
    median, deviation = _median_and_deviation(_clean(prediction, valid), valid)
    off_median = median.flatten() / OUTPUT_MEDIAN - 1
    off_deviation = deviation.flatten().clamp(min=LEAST_DEVIATION).log()
    return torch.where(valid.flatten(1).any(1), off_median.square() + off_deviation.square(), 0)


def unit_range(x: _Maps, valid: _Valid) -> _Maps:
    """Each picture stretched to 0 ... 1 between its least and largest valid value; 0 where not valid or constant."""
    x = _clean(x, valid)
    low = x.masked_fill(~valid, torch.inf).amin((1, 2), keepdim=True)
    high = x.masked_fill(~valid, -torch.inf).amax((1, 2), keepdim=True)
    return torch.where(valid & (high > low), x - low, 0) / torch.where(high > low, high - low, 1)


def _clean(x: Tensor, valid: Tensor) -> Tensor:
    """In single precision at least, and 0 where not valid."""
    if x.dtype in (torch.float16, torch.bfloat16):
        x = x.float()
    return torch.where(valid, x, 0)


def _median_and_deviation(x: _Maps, valid: _Valid) -> tuple[Float[Tensor, "b 1 1"], Float[Tensor, "b 1 1"]]:
    count = valid.flatten(1).sum(1)
    middle = _smallest(x.flatten(1), valid.flatten(1), (count - 1).clamp(min=0) // 2)[:, :, None]
    middle = torch.where(count[:, None, None] > 0, middle, 0)
    # zero, but through it the gradient reaches the pixels that have the median
    at_middle = valid & (x == middle)
    nothing = _per_picture(torch.where(at_middle, x - middle, 0)) / _count(at_middle)
    median = middle + nothing[:, None, None]
    deviation = _per_picture(torch.where(valid, x - median, 0).abs()) / _count(valid)
    return median, deviation[:, None, None]


def _smallest(
    x: Float[Tensor, "b n"], valid: Bool[Tensor, "b n"], rank: Int[Tensor, " b"]
) -> Float[Tensor, "b 1"]:
    """The valid value of each row that `rank` others precede; infinity where there are not that many. No gradient."""
    x = x.detach().masked_fill(~valid, torch.inf)
    # on processors NumPy sorts some twenty times as fast, and beats a kthvalue for every row
    ordered = torch.from_numpy(np.sort(x.numpy())) if x.device.type == "cpu" else x.sort(dim=1).values
    return ordered.gather(1, rank[:, None])


def _centred(x: _Maps, valid: _Valid) -> tuple[_Maps, Float[Tensor, "b 1 1"]]:
    x = _clean(x, valid)
    mean = (_per_picture(x) / _count(valid))[:, None, None]
    return torch.where(valid, x - mean, 0), mean


def _per_picture(x: _Maps) -> Float[Tensor, " b"]:
    return x.flatten(1).sum(1)


def _count(valid: _Valid) -> Int[Tensor, " b"]:
    """M of the papers, at least 1."""
    return valid.flatten(1).sum(1).clamp(min=1)


def _with_gradients(
    losses: Float[Tensor, " b"], residual: _Maps, valid: _Valid, weight: _Weight
) -> Float[Tensor, " b"]:
    if isinstance(weight, float | int) and weight == 0:
        return losses
    return losses + weight * gradient_matching(residual, valid)
