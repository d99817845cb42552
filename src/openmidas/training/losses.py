"""Losses that are blind to scale and shift in inverse depth (Ranftl et al., TPAMI 2022, section 5)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from openmidas.networks.tiny import OUTPUT_MEDIAN

GRADIENT_SCALES = 4
EPSILON = 1e-6
ANCHOR_WEIGHT = 0.05


def normalise(x: Float[Tensor, "b h w"], valid: Bool[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """(x - median) / mean absolute deviation over the valid pixels of each picture; 0 where not valid.

    Source: equation 5. A picture without valid pixels gives zeros.
    """
    median, deviation = _median_and_deviation(x, valid)
    return torch.where(valid, x - median, 0) / deviation


def anchor(prediction: Float[Tensor, "b h w"], valid: Bool[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    """How far each picture's median is from 4 and its mean absolute deviation from 1, in parts of those.

    A loss that forgives scale and shift lets both drift. Activations then grow until biases no longer count, and
    the final ReLU cuts off what is far. A weak pull to any fixed place prevents it.
    """
    median, deviation = _median_and_deviation(prediction, valid)
    off_median = median.flatten() / OUTPUT_MEDIAN - 1
    return off_median.square() + deviation.flatten().log().square()


def _median_and_deviation(
    x: Float[Tensor, "b h w"], valid: Bool[Tensor, "b h w"]
) -> tuple[Float[Tensor, "b 1 1"], Float[Tensor, "b 1 1"]]:
    marked = x.masked_fill(~valid, torch.nan).flatten(1)
    median = marked.nanmedian(dim=1).values.nan_to_num()[:, None, None]
    count = valid.flatten(1).sum(1).clamp(min=1)
    deviation = torch.where(valid, x - median, 0).abs().flatten(1).sum(1) / count
    return median, deviation.clamp(min=EPSILON)[:, None, None]


def trimmed_absolute(
    residual: Float[Tensor, "b h w"], valid: Bool[Tensor, "b h w"], kept: Float[Tensor, " b"]
) -> Float[Tensor, " b"]:
    """The smallest share `kept` of each picture's absolute residuals, summed, over 2 M (equation 8).

    0.8 is the paper's `ssi-trim`, against labels that are wrong in places; 1 is `ssi-mae`, for measured truth.
    """
    losses = []
    for r, v, share in zip(residual, valid, kept.tolist(), strict=True):
        errors = r[v].abs()
        count = round(share * errors.numel())
        if count == 0:
            losses.append(r.sum() * 0)
            continue
        limit = errors.detach().kthvalue(count).values
        losses.append(errors[errors <= limit].sum() / (2 * errors.numel()))
    return torch.stack(losses)


def gradient_matching(residual: Float[Tensor, "b h w"], valid: Bool[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    """Absolute differences of neighbouring residuals at four scales, summed, over M (equation 11)."""
    total = residual.new_zeros(residual.shape[0])
    for k in range(GRADIENT_SCALES):
        r, v = residual[:, :: 2**k, :: 2**k], valid[:, :: 2**k, :: 2**k]
        across = (r[:, :, 1:] - r[:, :, :-1]).abs() * (v[:, :, 1:] & v[:, :, :-1])
        down = (r[:, 1:] - r[:, :-1]).abs() * (v[:, 1:] & v[:, :-1])
        total = total + across.flatten(1).sum(1) + down.flatten(1).sum(1)
    return total / valid.flatten(1).sum(1).clamp(min=1)


def trimmed_loss(
    prediction: Float[Tensor, "b h w"],
    target: Float[Tensor, "b h w"],
    valid: Bool[Tensor, "b h w"],
    kept: Float[Tensor, " b"],
    gradient_weight: Float[Tensor, " b"],
) -> Float[Tensor, " b"]:
    """`trimmed_absolute` plus gradient matching, one value a picture; alpha, the weight, is 0.5 in the paper."""
    residual = normalise(prediction, valid) - normalise(target, valid)
    return trimmed_absolute(residual, valid, kept) + gradient_weight * gradient_matching(residual, valid)
