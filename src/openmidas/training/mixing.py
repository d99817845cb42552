"""How the losses of several data sets become one gradient: their mean, or Pareto (Sener & Koltun, NeurIPS 2018)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from openmidas.training.distributed import average, average_gradients
from openmidas.training.min_norm import min_norm_weights
from openmidas.training.recipes import GRADIENT_BYTES

PIECE = 2**20  # columns that are summed in double precision at a time


def naive_backward(
    losses: Sequence[Float[Tensor, ""]], parameters: Iterable[nn.Parameter]
) -> Float[np.ndarray, " l"]:
    """Set `.grad` to the gradient of the losses' mean over sets and processes; returns the equal weights."""
    weights = np.full(len(losses), 1 / len(losses))
    _backward_of_sum(losses, _trained(parameters), weights)
    return weights


def pareto_backward(
    losses: Sequence[Float[Tensor, ""]],
    parameters: Iterable[nn.Parameter],
    chunk_bytes: int = GRADIENT_BYTES,
) -> Float[np.ndarray, " l"]:
    """Set `.grad` to the shortest convex combination of the losses' gradients; returns its l weights.

    losses: one for each set, from one forward pass of the whole minibatch (batch norms need it) or from one for each
    set (l times as fast). Their graphs are used up. parameters: those that all sets share, on one device; frozen ones
    are passed over, unused ones get no gradient.
    chunk_bytes: bounds what the sets' gradients take at a time, but for l times the largest tensor, which must be held.
    Where all fit, they are kept: l backward passes. Else the network is taken in chunks, l partial backward passes
    each, then one of the weighted sum. Several processes average each gradient before it is compared.
    Gradients that are not finite are left so, with equal weights: whoever guards the step sees them.
    """
    trained = _trained(parameters)
    chunks = list(_chunks(trained, chunk_bytes // len(losses)))
    if len(chunks) == 1:
        gradients = _gradients(losses, trained, keep_graph=False)
        weights = pareto_weights(_products(gradients.rows))
        _set_weighted(gradients, weights)
    else:
        products = [_products(_gradients(losses, chunk, keep_graph=True).rows) for chunk in chunks]
        weights = pareto_weights(np.sum(products, axis=0))
        _backward_of_sum(losses, trained, weights)
    return weights


def pareto_weights(gram: Float[np.ndarray, "l l"]) -> Float[np.ndarray, " l"]:
    """The weights of the shortest convex combination of all gradients that are not zero; equal ones where none is.

    A set without a gradient (no valid pixel in its pictures) says nothing; counted in, it would stop all others.
    """
    speaks = np.diag(gram) > 0
    if not np.isfinite(gram).all() or not speaks.any():
        return np.full(len(gram), 1 / len(gram))
    weights = np.zeros(len(gram))
    weights[speaks] = min_norm_weights(gram[np.ix_(speaks, speaks)])
    return weights


@dataclass(frozen=True, eq=False)
class _Gradients:
    """The gradients of l losses in some parameters, end to end; used: whether any of the losses depends on each."""

    parameters: Sequence[nn.Parameter]
    rows: Float[Tensor, "l n"]
    used: Sequence[bool]


def _trained(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    return [parameter for parameter in parameters if parameter.requires_grad]


def _chunks(parameters: Sequence[nn.Parameter], size_bytes: int) -> Iterator[list[nn.Parameter]]:
    """Parameters in their order, as many in a chunk as fit, at least one."""
    chunk: list[nn.Parameter] = []
    left = size_bytes
    for parameter in parameters:
        if chunk and parameter.nbytes > left:
            yield chunk
            chunk, left = [], size_bytes
        chunk.append(parameter)
        left -= parameter.nbytes
    yield chunk


def _gradients(
    losses: Sequence[Float[Tensor, ""]], parameters: Sequence[nn.Parameter], keep_graph: bool
) -> _Gradients:
    """The gradients of each loss, averaged over the processes."""
    count = sum(parameter.numel() for parameter in parameters)
    rows = torch.zeros(len(losses), count, dtype=parameters[0].dtype, device=parameters[0].device)
    used = [False] * len(parameters)
    for number, (row, loss) in enumerate(zip(rows, losses, strict=True), start=1):
        keep = keep_graph or number < len(losses)  # the last pass frees what it has passed
        reached = _write_gradient(row, loss, parameters, keep)
        used = [a or b for a, b in zip(used, reached, strict=True)]
    average(rows)
    return _Gradients(parameters, rows, used)


def _write_gradient(
    row: Float[Tensor, " n"], loss: Float[Tensor, ""], parameters: Sequence[nn.Parameter], keep_graph: bool
) -> list[bool]:
    """Fill a row of zeros; which parameters the loss depends on."""
    gradients = torch.autograd.grad(loss, parameters, retain_graph=keep_graph, allow_unused=True)
    parts = row.split([parameter.numel() for parameter in parameters])
    for part, gradient in zip(parts, gradients, strict=True):
        if gradient is not None:
            part.view(gradient.shape).copy_(gradient)
    return [gradient is not None for gradient in gradients]


def _products(rows: Float[Tensor, "l n"]) -> Float[np.ndarray, "l l"]:
    """Every row's product with every other, summed in double precision."""
    total = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    for piece in rows.split(PIECE, dim=1):
        exact = piece.double()
        total += exact @ exact.T
    # equal already, but for the rounding of unequal processors: all processes must decide alike
    average(total)
    return total.cpu().numpy()


def _set_weighted(gradients: _Gradients, weights: Float[np.ndarray, " l"]) -> None:
    """Set `.grad` to the weighted sum, in the parameters' own memory order, as autograd does."""
    rows, parameters = gradients.rows, gradients.parameters
    factors = torch.from_numpy(weights).to(rows)
    parts = rows.split([parameter.numel() for parameter in parameters], dim=1)
    for parameter, part, used in zip(parameters, parts, gradients.used, strict=True):
        weighted = (factors @ part).view(parameter.shape)
        parameter.grad = torch.empty_like(parameter).copy_(weighted) if used else None


def _backward_of_sum(
    losses: Sequence[Float[Tensor, ""]],
    parameters: Sequence[nn.Parameter],
    weights: Float[np.ndarray, " l"],
) -> None:
    for parameter in parameters:
        parameter.grad = None
    total = torch.stack(list(losses)) @ torch.from_numpy(weights).to(losses[0])
    total.backward(inputs=list(parameters))
    average_gradients(parameters)
