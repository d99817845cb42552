"""Swin and SwinV2: windows, their shift and its mask, position tables, and what the encoders give."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from openmidas.networks.encoders.swin import (
    Merge,
    Stage,
    WindowAttention,
    Windows,
    WindowTransformer,
    build_swin,
    gather_quads,
    over_windows,
    partition,
    relative_places,
    shifted_apart,
    unpartition,
)
from openmidas.networks.encoders.swin_v2 import CosineAttention, build_swin_v2, log_offsets

DEPTHS = (2, 2, 2, 2)
BUILDERS: dict[str, Callable[[], WindowTransformer]] = {
    "swin": lambda: build_swin(32, DEPTHS, 4, 64),
    "swin_v2": lambda: build_swin_v2(32, DEPTHS, 4, 64, (4, 4, 4, 2)),
}


@pytest.fixture(params=list(BUILDERS))
def encoder(request: pytest.FixtureRequest) -> WindowTransformer:
    torch.manual_seed(0)
    return randomised(BUILDERS[request.param]()).eval()


def randomised(network: WindowTransformer) -> WindowTransformer:
    """Every weight a little off, so that those which start at zero count too."""
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return network


class Window(nn.Module):
    """In place of attention: every patch becomes the sum over those it may see."""

    def forward(self, x: torch.Tensor, windows: Windows) -> torch.Tensor:
        assert windows.apart is not None
        return (~windows.apart).float() @ x


def test_windows_are_cut_row_by_row() -> None:
    x = torch.arange(16).view(1, 4, 4, 1)
    assert partition(x, 2)[..., 0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


@pytest.mark.parametrize("side", [1, 2, 3, 6])
def test_windows_join_to_the_map_they_were_cut_from(side: int) -> None:
    x = torch.randn(2, 12, 6, 3)
    windows = partition(x, side)
    assert windows.shape == (2 * 72 // side**2, side**2, 3)
    assert torch.equal(unpartition(windows, side, 12, 6), x)


def test_relative_places_of_two_by_two_patches() -> None:
    # offsets, query minus key, row by row: (-1,-1) is 0, (0,0) is 4, (1,1) is 8
    assert relative_places(2).tolist() == [[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]


def test_offsets_lie_in_the_order_of_the_places() -> None:
    places, offsets = relative_places(3), log_offsets(3, 3)
    rows, columns = torch.arange(9) // 3, torch.arange(9) % 3
    for axis, along in enumerate((rows, columns)):
        assert torch.equal(offsets[places][..., axis].sign().int(), (along[:, None] - along).sign().int())


def test_offsets_are_log_spaced_and_measured_by_the_trained_window() -> None:
    assert log_offsets(2, 2)[0].tolist() == pytest.approx([-1.0566416, -1.0566416])  # -log2(9) / 3
    # the trained window reaches 7 patches: 3 and 7 patches are d = 24/7 and 8, 14 are d = 16
    far = log_offsets(15, 8).view(29, 29, 2)
    assert far[14 + 7, 14].tolist() == pytest.approx([1.0566416, 0])
    assert far[14, 14 + 14].tolist() == pytest.approx([0, 1.3624876])  # log2(17) / 3


def test_shift_separates_exactly_what_the_roll_brought_together() -> None:
    apart = shifted_apart(4, 2, 1)
    # rolled by one, the windows hold, by (row, column) in the map:
    # 11 12 21 22 | 13 10 23 20 | 31 32 01 02 | 33 30 03 00
    assert not apart[0].any()
    left_right = torch.tensor([[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]], dtype=torch.bool)
    top_bottom = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]], dtype=torch.bool)
    assert torch.equal(apart[1], left_right)
    assert torch.equal(apart[2], top_bottom)
    assert torch.equal(apart[3], left_right | top_bottom)


@pytest.mark.parametrize(("map_side", "side"), [(4, 2), (8, 4), (9, 3)])
def test_patches_see_each_other_only_near_by(map_side: int, side: int) -> None:
    shift = side // 2
    windows = Windows(side, shift, relative_places(side), shifted_apart(map_side, side, shift))
    patches = torch.eye(map_side**2).view(1, map_side, map_side, -1)
    seen = over_windows(Window(), patches, windows).view(map_side**2, -1) > 0
    # in the map as it lies, the windows' edges stand `shift` further along: the same cell on both axes
    cell = (torch.arange(map_side) + side - shift) // side
    cells = torch.stack(torch.meshgrid(cell, cell, indexing="ij"), -1).view(-1, 1, 2)
    assert torch.equal(seen, (cells == cells.transpose(0, 1)).all(-1))


@pytest.mark.parametrize("attention", [WindowAttention(64, 2), CosineAttention(64, 2, 2)])
def test_hidden_patches_change_nothing(attention: nn.Module) -> None:
    torch.manual_seed(0)
    windows = Windows(2, 1, relative_places(2), shifted_apart(4, 2, 1))
    x = torch.randn(4, 4, 64)
    changed = x.clone()
    changed[3, 1:] += 1  # in the last window every patch is alone
    before, after = attention(x, windows), attention(changed, windows)
    torch.testing.assert_close(after[3, 0], before[3, 0])
    assert not torch.allclose(after[3, 1:], before[3, 1:])
    torch.testing.assert_close(after[:3], before[:3])


def test_windows_shift_only_on_maps_larger_than_one() -> None:
    assert Stage([], 8, 4).shift == 2
    assert Stage([], 4, 4).shift == 0


def test_every_second_block_shifts() -> None:
    class Recorder(nn.Module):
        def forward(self, x: torch.Tensor, windows: Windows) -> torch.Tensor:
            shifts.append((windows.shift, windows.apart is not None))
            return x

    shifts: list[tuple[int, bool]] = []
    Stage([Recorder() for _ in range(4)], 8, 4)(torch.zeros(1, 8, 8, 1))
    assert shifts == [(0, False), (2, True), (0, False), (2, True)]


def test_quads_run_down_before_they_run_right() -> None:
    x = torch.arange(8).view(1, 2, 4, 1)
    assert gather_quads(x).tolist() == [[[[0, 4, 1, 5], [2, 6, 3, 7]]]]


def test_merge_doubles_channels_and_halves_sides() -> None:
    assert Merge(3)(torch.randn(2, 4, 6, 3)).shape == (2, 2, 3, 6)


def test_maps_stand_at_four_to_thirty_two(encoder: WindowTransformer) -> None:
    maps = encoder(torch.randn(2, 3, 64, 64))
    assert [tuple(x.shape) for x in maps] == [(2, 32, 16, 16), (2, 64, 8, 8), (2, 128, 4, 4), (2, 256, 2, 2)]


def test_pictures_of_a_batch_do_not_mix(encoder: WindowTransformer) -> None:
    pictures = torch.randn(3, 3, 64, 64)
    for together, alone in zip(encoder(pictures), encoder(pictures[1:2]), strict=True):
        torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(64, 32), (32, 32), (128, 128)])
def test_another_size_is_refused(encoder: WindowTransformer, shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"64 x 64 pixels only, not {shape[0]} x {shape[1]}"):
        encoder(torch.zeros(1, 3, *shape))


def test_only_weights_are_stored(encoder: WindowTransformer) -> None:
    assert set(encoder.state_dict()) == {name for name, _ in encoder.named_parameters()}


def test_every_weight_matters(encoder: WindowTransformer) -> None:
    sum((x * torch.randn_like(x)).sum() for x in encoder(torch.randn(1, 3, 64, 64))).backward()
    assert [name for name, weight in encoder.named_parameters() if not weight.grad.any()] == []


@pytest.mark.parametrize(
    "encoder", [build_swin(32, (2, 2), 4, 32), build_swin_v2(32, (2, 2), 4, 32, (4, 4))], ids=list(BUILDERS)
)
def test_export_takes_any_batch(encoder: WindowTransformer) -> None:
    pictures = torch.randn(3, 3, 32, 32)
    exported = torch.export.export(encoder, (pictures[:2],), dynamic_shapes=({0: torch.export.Dim("b")},))
    for ours, theirs in zip(encoder(pictures), exported.module()(pictures), strict=True):
        torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-4)
