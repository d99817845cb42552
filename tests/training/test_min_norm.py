"""The shortest convex combination against hand-made numbers, other solvers, and what defines it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, nnls
from torchjd.aggregation import MGDA

from openmidas.training.min_norm import min_norm_weights

KINDS = ("unlike", "alike", "opposed", "few dimensions", "scales a million apart", "repeated")


def gradients_of(kind: str, count: int, seed: int) -> np.ndarray:
    """(count, n) gradients of a kind that a solver could stumble over."""
    rng = np.random.default_rng(seed)
    unlike = rng.normal(size=(count, 40))
    common = rng.normal(size=40)
    return {
        "unlike": unlike,
        "alike": common + 1e-3 * unlike,
        "opposed": unlike + 2 * np.sign(rng.normal(size=(count, 1))) * common,
        "few dimensions": 0.5 + rng.normal(size=(count, 2)),
        "scales a million apart": (unlike + common) * 10 ** rng.uniform(-3, 3, (count, 1)),
        "repeated": (unlike + common)[rng.integers(0, (count + 1) // 2, count)],
    }[kind]


def shortest(gradients: np.ndarray) -> np.ndarray:
    return min_norm_weights(gradients @ gradients.T) @ gradients


def shortest_by_nnls(gradients: np.ndarray) -> np.ndarray:
    """Lawson and Hanson's least-distance form: u >= 0 of least |u G|² + (sum u - 1)² is the answer but for its sum."""
    unit = np.linalg.norm(gradients, axis=1).min()
    u, _ = nnls(np.vstack([gradients.T / unit, np.ones(len(gradients))]), np.eye(gradients.shape[1] + 1)[-1])
    return u / u.sum() @ gradients


def shortest_by_programming(gradients: np.ndarray) -> np.ndarray:
    """A general solver of quadratic programs."""
    gram, count = gradients @ gradients.T, len(gradients)
    answer = minimize(
        lambda w: w @ gram @ w,
        np.full(count, 1 / count),
        jac=lambda w: 2 * gram @ w,
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda _: np.ones(count)},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return answer.x @ gradients


@settings(max_examples=150)
@given(st.sampled_from(KINDS), st.integers(1, 20), st.integers(0, 2**32))
def test_the_answer_has_what_defines_the_shortest_convex_combination(
    kind: str, count: int, seed: int
) -> None:
    gradients = gradients_of(kind, count, seed)
    weights = min_norm_weights(gradients @ gradients.T)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    combined = weights @ gradients
    lengths = np.linalg.norm(gradients, axis=1)
    rounding = 1e-12 * (weights @ lengths) * lengths.clip(weights @ lengths)
    # every loss falls along it, at least as fast as its own length squared
    assert (gradients @ combined >= combined @ combined - rounding).all()
    others = np.random.default_rng(seed).dirichlet(np.full(count, 0.3), 50) @ gradients
    assert (np.linalg.norm(others, axis=1) >= np.linalg.norm(combined) - 1e-7 * (weights @ lengths)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [2, 3, 5, 20])
def test_nnls_gives_the_same(kind: str, count: int) -> None:
    for seed in range(5):
        gradients = gradients_of(kind, count, seed)
        size = np.linalg.norm(gradients, axis=1).min()
        np.testing.assert_allclose(shortest(gradients), shortest_by_nnls(gradients), atol=1e-6 * size)


@pytest.mark.parametrize("kind", ["unlike", "alike", "opposed", "few dimensions", "repeated"])
def test_a_quadratic_program_gives_the_same(kind: str) -> None:
    gradients = gradients_of(kind, 6, 1)
    np.testing.assert_allclose(shortest(gradients), shortest_by_programming(gradients), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_torchjd_gives_the_same_length(kind: str) -> None:
    gradients = gradients_of(kind, 5, 2)
    theirs = MGDA(epsilon=1e-9, max_iters=3000)(torch.from_numpy(gradients)).numpy()
    length, their_length = np.linalg.norm(shortest(gradients)), np.linalg.norm(theirs)
    assert their_length == pytest.approx(length, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1.0, 0.0], [0.0, 1.0], [0.5, 0.5]),
        ([3.0, 0.0], [0.0, 4.0], [16 / 25, 9 / 25]),
        ([1.0, 0.0], [2.0, 1.0], [1.0, 0.0]),  # the second is longer in the first's direction
        ([1.0, 0.0], [-3.0, 0.0], [0.75, 0.25]),  # opposed: together nothing
        ([1e6, 0.0], [0.0, 1.0], [1 / (1e12 + 1), 1e12 / (1e12 + 1)]),
    ],
)
def test_two_by_hand(first: list[float], second: list[float], expected: list[float]) -> None:
    gradients = np.array([first, second])
    np.testing.assert_allclose(min_norm_weights(gradients @ gradients.T), expected, rtol=1e-12, atol=1e-15)


def test_two_follow_the_closed_form() -> None:
    for seed in range(50):
        g, h = gradients_of(KINDS[seed % 3], 2, seed)
        first = np.clip((h - g) @ h / ((g - h) @ (g - h)), 0, 1)
        np.testing.assert_allclose(
            min_norm_weights(np.array([[g @ g, g @ h], [g @ h, h @ h]])), [first, 1 - first], atol=1e-9
        )


def test_three_by_hand() -> None:
    # the corners of a triangle around the point (1, 0): its nearest side is x = 1
    gradients = np.array([[1.0, 2.0], [1.0, -1.0], [5.0, 0.0]])
    np.testing.assert_allclose(min_norm_weights(gradients @ gradients.T), [1 / 3, 2 / 3, 0], atol=1e-14)


def test_a_zero_gradient_is_the_shortest() -> None:
    gradients = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]])
    assert min_norm_weights(gradients @ gradients.T).tolist() == [0, 1, 0]
    assert min_norm_weights(np.zeros((3, 3))).sum() == 1


def test_one_set_gets_everything() -> None:
    assert min_norm_weights(np.array([[7.0]])).tolist() == [1]


def test_equal_gradients_combine_to_themselves() -> None:
    gradients = np.repeat([[3.0, -4.0]], 20, axis=0)
    np.testing.assert_allclose(shortest(gradients), [3, -4])


def test_products_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        min_norm_weights(np.array([[1.0, np.nan], [np.nan, 1.0]]))
