"""The shortest vector in the convex hull of a few gradients, found from their products alone.

It is the step of multiple-gradient descent (Désidéri, Comptes Rendus Mathématique 350, 2012; Sener & Koltun, NeurIPS
2018, equation 3): every objective falls along it, at least as fast as its own length squared.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

TOLERANCE = 1e-14  # of products, in parts of the lengths that they are made of: some fifty roundings


def min_norm_weights(gram: Float[np.ndarray, "l l"]) -> Float[np.ndarray, " l"]:
    """Weights >= 0 of sum 1 for which the weighted sum d of l >= 1 gradients is shortest.

    gram: the gradients' products with each other, of any scale. Every gradient g then has g·d >= |d|².
    Exact up to rounding, by Wolfe's method (Mathematical Programming 11, 1976): the gradients that count grow and
    shrink in number until the shortest vector of the plane through them is the one of the hull. For two gradients that
    is the closed form, for more what Frank–Wolfe tends to. Where several weights give the same d, it is one of them.
    Raises ValueError where a product is not finite.
    """
    gram = np.asarray(gram, np.float64)
    if not np.isfinite(gram).all():
        raise ValueError("products of gradients are not finite: look at the losses")
    norms = np.sqrt(np.diag(gram).clip(0))
    weights = np.zeros(len(gram))
    weights[np.argmin(norms)] = 1
    while (entering := _entering(gram, norms, weights)) is not None:
        candidate = _with(entering, gram, norms, weights)
        if candidate @ gram @ candidate >= weights @ gram @ weights:
            break  # only rounding is left
        weights = candidate
    return weights / weights.sum()


def _entering(
    gram: Float[np.ndarray, "l l"], norms: Float[np.ndarray, " l"], weights: Float[np.ndarray, " l"]
) -> int | None:
    """The gradient that is farthest on the wrong side of the plane through d, square to it; None where none is."""
    products = gram @ weights
    size = weights @ norms
    if size == 0:
        return None
    excess = (weights @ products - products) / (size * (size + norms))
    worst = int(np.argmax(excess))
    return worst if excess[worst] > TOLERANCE else None


def _with(
    entering: int,
    gram: Float[np.ndarray, "l l"],
    norms: Float[np.ndarray, " l"],
    weights: Float[np.ndarray, " l"],
) -> Float[np.ndarray, " l"]:
    """The weights after this gradient joined those that count, and those left that no longer do."""
    weights = weights.copy()
    counting = weights > 0
    counting[entering] = True
    while True:
        (members,) = np.nonzero(counting)
        aim = _flat_minimum(gram[np.ix_(members, members)], norms[members])
        wrong = aim <= 0
        if not wrong.any():
            weights[members] = aim
            return weights
        now = weights[members]
        share = np.full(len(members), np.inf)
        share[wrong] = now[wrong] / (now - aim)[wrong].clip(np.finfo(float).tiny)
        weights[members] = now + share.min() * (aim - now)
        leaving = members[np.argmin(share)]
        weights[leaving], counting[leaving] = 0, False


def _flat_minimum(gram: Float[np.ndarray, "k k"], norms: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Weights of sum 1 and any sign for which the weighted sum is shortest.

    Solved for gradients of length 1, so that a set whose loss is a million times as large costs no digits.
    """
    count = len(norms)
    scale = norms.min() / norms
    system = np.zeros((count + 1, count + 1))
    system[:count, :count] = gram / np.outer(norms, norms)
    system[:count, count] = system[count, :count] = scale
    right = np.zeros(count + 1)
    right[count] = 1
    solution = np.linalg.lstsq(system, right, rcond=None)[0]
    return solution[:count] * scale
