"""One gradient of several losses: kept or in chunks, from one forward pass or several, in one process or two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import spawn
from torch.utils._python_dispatch import TorchDispatchMode

from openmidas.training.min_norm import min_norm_weights
from openmidas.training.mixing import naive_backward, pareto_backward, pareto_weights

SETS = 3
ALL = 2**30
CHUNKS = (ALL, 6000, 1)  # everything kept; two chunks; a tensor at a time


def network(norm: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    between: nn.Module = nn.BatchNorm2d(8) if norm else nn.Identity()
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), between, nn.Tanh(), nn.Conv2d(8, 8, 3), nn.Tanh(), nn.Conv2d(8, 1, 1)
    )


def pictures(count: int) -> tuple[Tensor, Tensor]:
    """(sets, count, 3, 12, 12) pictures, and a target of each; the sets' losses differ a thousandfold in size."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(SETS, count, 3, 12, 12, generator=generator)
    weights = torch.tensor([[1.0, 0.2, 0], [-0.5, 1, 0], [30, 0, 30]])
    return x, torch.einsum("sbchw,sc->sbhw", x[..., 2:-2, 2:-2], weights)


def losses_of(net: nn.Module, x: Tensor, target: Tensor) -> list[Tensor]:
    """Of one forward pass of the mixed minibatch."""
    answers = net(x.flatten(0, 1)).view(target.shape)
    return list((answers - target).square().mean(dim=(1, 2, 3)))


def losses_one_by_one(net: nn.Module, x: Tensor, target: Tensor) -> list[Tensor]:
    return [(net(each)[:, 0] - goal).square().mean() for each, goal in zip(x, target, strict=True)]


def gradient(net: nn.Module) -> Tensor:
    return torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])


def gradients_by_hand(net: nn.Module, losses: list[Tensor]) -> Tensor:
    rows = [torch.autograd.grad(loss, list(net.parameters()), retain_graph=True) for loss in losses]
    return torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])


@pytest.fixture
def net() -> nn.Sequential:
    return network()


@pytest.mark.parametrize("chunk_bytes", CHUNKS)
@pytest.mark.parametrize("norm", [False, True])
def test_the_gradient_is_the_shortest_combination_of_the_sets(chunk_bytes: int, norm: bool) -> None:
    net = network(norm)
    losses = losses_of(net, *pictures(2))
    rows = gradients_by_hand(net, losses)
    expected = min_norm_weights((rows.double() @ rows.double().T).numpy())
    weights = pareto_backward(losses, net.parameters(), chunk_bytes)
    np.testing.assert_allclose(weights, expected, rtol=1e-6, atol=1e-9)
    assert (weights > 0).sum() >= 2
    torch.testing.assert_close(gradient(net), torch.from_numpy(expected).float() @ rows)


@pytest.mark.parametrize("chunk_bytes", CHUNKS)
def test_a_forward_pass_for_each_set_gives_the_same_without_batch_norm(
    net: nn.Module, chunk_bytes: int
) -> None:
    expected = pareto_backward(losses_of(net, *pictures(2)), net.parameters(), chunk_bytes)
    together = gradient(net)
    weights = pareto_backward(losses_one_by_one(net, *pictures(2)), net.parameters(), chunk_bytes)
    np.testing.assert_allclose(weights, expected, atol=1e-6)
    torch.testing.assert_close(gradient(net), together)


def test_a_step_lowers_every_loss_where_the_mean_raises_one(net: nn.Module) -> None:
    def change(mixing: Callable[..., object]) -> Tensor:
        before = losses_of(net, *pictures(2))
        mixing(before, net.parameters())
        step = {name: p - 1e-4 * p.grad for name, p in net.named_parameters() if p.grad is not None}
        x, target = pictures(2)
        answers = torch.func.functional_call(net, step, (x.flatten(0, 1),)).view(target.shape)
        return (answers - target).square().mean(dim=(1, 2, 3)) - torch.stack(before)

    assert (change(pareto_backward) < 0).all()
    assert (change(naive_backward) > 0).any()


def test_naive_is_the_gradient_of_the_mean(net: nn.Module) -> None:
    assert naive_backward(losses_of(net, *pictures(2)), net.parameters()).tolist() == [1 / SETS] * SETS
    mixed = gradient(net)
    net.zero_grad()
    torch.stack(losses_of(net, *pictures(2))).mean().backward()
    torch.testing.assert_close(mixed, gradient(net))


@pytest.mark.parametrize("mixing", [naive_backward, pareto_backward])
def test_an_earlier_gradient_is_replaced(net: nn.Module, mixing: Callable[..., object]) -> None:
    mixing(losses_of(net, *pictures(2)), net.parameters())
    first = gradient(net)
    mixing(losses_of(net, *pictures(2)), net.parameters())
    torch.testing.assert_close(gradient(net), first, rtol=0, atol=0)


@pytest.mark.parametrize("chunk_bytes", CHUNKS)
def test_unused_and_frozen_parameters_get_no_gradient(net: nn.Sequential, chunk_bytes: int) -> None:
    unused = nn.Parameter(torch.ones(3))
    net[0].weight.requires_grad_(False)
    pareto_backward(losses_of(net, *pictures(2)), [*net.parameters(), unused], chunk_bytes)
    assert unused.grad is None
    assert net[0].weight.grad is None
    assert net[0].bias.grad is not None


@pytest.mark.parametrize("chunk_bytes", CHUNKS)
def test_a_set_without_gradient_does_not_stop_the_others(net: nn.Module, chunk_bytes: int) -> None:
    losses = losses_of(net, *pictures(2))
    expected = pareto_backward(losses[:2], net.parameters(), chunk_bytes)
    without = gradient(net)
    losses = losses_of(net, *pictures(2))
    weights = pareto_backward([losses[0], losses[2] * 0, losses[1]], net.parameters(), chunk_bytes)
    np.testing.assert_allclose(weights, [expected[0], 0, expected[1]], atol=1e-7)
    torch.testing.assert_close(gradient(net), without)


def test_no_set_with_a_gradient_gives_zeros(net: nn.Module) -> None:
    losses = [loss * 0 for loss in losses_of(net, *pictures(2))]
    assert pareto_backward(losses, net.parameters()).tolist() == [1 / SETS] * SETS
    assert gradient(net).abs().max() == 0


@pytest.mark.parametrize("chunk_bytes", CHUNKS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_not_hidden(net: nn.Module, chunk_bytes: int, bad: float) -> None:
    losses = losses_of(net, *pictures(2))
    weights = pareto_backward([losses[0], losses[1] * bad, losses[2]], net.parameters(), chunk_bytes)
    assert weights.tolist() == [1 / SETS] * SETS
    assert not gradient(net).isfinite().all()


def test_weights_do_not_depend_on_the_scale_of_all_losses(net: nn.Module) -> None:
    plain = pareto_backward(losses_of(net, *pictures(2)), net.parameters())
    expected = gradient(net)
    scaled = [2.0**16 * loss for loss in losses_of(net, *pictures(2))]  # as a gradient scaler does
    np.testing.assert_allclose(pareto_backward(scaled, net.parameters()), plain, atol=1e-9)
    torch.testing.assert_close(gradient(net) / 2**16, expected)


@pytest.mark.parametrize("chunk_bytes", CHUNKS)
def test_half_precision_and_memory_order_are_those_of_a_plain_backward(chunk_bytes: int) -> None:
    net = network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.autocast("cpu", torch.bfloat16):
        losses = losses_of(net, *pictures(2))
    pareto_backward(losses, net.parameters(), chunk_bytes)
    for parameter in net.parameters():
        assert parameter.grad is not None
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad.stride() == parameter.stride()


class Largest(TorchDispatchMode):
    """Bytes of the largest tensor in single precision that anything makes within the block."""

    bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor) and made.dtype == torch.float32:
            self.bytes = max(self.bytes, made.nbytes)
        return made


@pytest.mark.parametrize("layers_at_a_time", [6, 2])
def test_chunks_bound_what_the_gradients_of_all_sets_take(layers_at_a_time: int) -> None:
    net = nn.Sequential(*(nn.Linear(64, 64, bias=False) for _ in range(6)))
    x = torch.randn(SETS, 64, generator=torch.Generator().manual_seed(0))
    chunk_bytes = SETS * layers_at_a_time * 64 * 64 * 4
    with Largest() as largest:
        pareto_backward(list(net(x).square().mean(dim=1)), net.parameters(), chunk_bytes)
    assert largest.bytes == chunk_bytes


def test_pareto_weights_of_two_by_hand() -> None:
    # gradients (3, 0) and (0, 4): the point of their line nearest to the origin
    np.testing.assert_allclose(pareto_weights(np.diag([9.0, 16.0])), [0.64, 0.36])


def work(rank: int, folder: Path) -> None:
    """One of two processes with half of each set's pictures."""
    distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    x, target = pictures(4)
    half = slice(2 * rank, 2 * rank + 2)
    net, results = network(), []
    for chunk_bytes in CHUNKS:
        weights = pareto_backward(losses_of(net, x[:, half], target[:, half]), net.parameters(), chunk_bytes)
        results.append((torch.from_numpy(weights), gradient(net)))
    weights = naive_backward(losses_of(net, x[:, half], target[:, half]), net.parameters())
    results.append((torch.from_numpy(weights), gradient(net)))
    distributed.destroy_process_group()
    torch.save(results, folder / f"{rank}.pt")


def test_two_processes_give_what_one_gives_with_the_double_minibatch(tmp_path: Path) -> None:
    spawn(work, (tmp_path,), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    net, expected = network(), []
    for mixing in (pareto_backward, pareto_backward, pareto_backward, naive_backward):
        weights = mixing(losses_of(net, *pictures(4)), net.parameters())
        expected.append((torch.from_numpy(weights), gradient(net)))
    for ours, theirs, alone in zip(first, second, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
        torch.testing.assert_close(ours[0], alone[0], rtol=0, atol=1e-6)
        torch.testing.assert_close(ours[1], alone[1], rtol=1e-6, atol=1e-6)
