"""ViT, ViT-Hybrid and BEiT in small: sizes, places, standardised weights, and the metric head."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from openmidas.networks.checkpoint import renamed
from openmidas.networks.decoder import Head
from openmidas.networks.encoders import beit, vit_hybrid
from openmidas.networks.encoders.beit import (
    Beit,
    relative_position_index,
    resize_position_table,
    table_length,
)
from openmidas.networks.encoders.vit import Vit
from openmidas.networks.encoders.vit_hybrid import StandardConv2d, Stem, VitHybrid, standardised
from openmidas.networks.reassemble import ReassembleLevels, Tokens

CHANNELS, GRID = 8, 4


def _random(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


@pytest.fixture(scope="module")
def small_vit() -> nn.Module:
    return _random(Vit(CHANNELS, 4, 2, (0, 1, 2, 3), GRID))


@pytest.fixture(scope="module")
def small_beit() -> nn.Module:
    return _random(Beit(CHANNELS, 4, 2, (0, 1, 2, 3), GRID))


@pytest.fixture(scope="module")
def small_hybrid() -> nn.Module:
    return _random(VitHybrid(Stem(32, (1, 2, 1)), CHANNELS, 2, 2, (0, 1), GRID))


def _pictures(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 96), (128, 32)])
@pytest.mark.parametrize("encoder", ["small_vit", "small_beit"])
@torch.inference_mode()
def test_transformer_levels_lie_at_strides_4_to_32(
    encoder: str, height: int, width: int, request: pytest.FixtureRequest
) -> None:
    tokens = request.getfixturevalue(encoder)(_pictures(2, 3, height, width))
    levels = ReassembleLevels(CHANNELS, (4, 5, 6, 7))(tokens)
    assert [tuple(level.shape) for level in levels] == [
        (2, c, height // s, width // s) for c, s in ((4, 4), (5, 8), (6, 16), (7, 32))
    ]


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 96), (128, 32)])
@torch.inference_mode()
def test_hybrid_levels_lie_at_strides_4_to_32(small_hybrid: nn.Module, height: int, width: int) -> None:
    given = small_hybrid(_pictures(2, 3, height, width))
    levels = ReassembleLevels(CHANNELS, (128, 256, 6, 7), maps=2)(given)
    assert [tuple(level.shape) for level in levels] == [
        (2, c, height // s, width // s) for c, s in ((128, 4), (256, 8), (6, 16), (7, 32))
    ]


@torch.inference_mode()
def test_hybrid_levels_1_and_2_are_the_stems_maps_untouched(small_hybrid: nn.Module) -> None:
    x = _pictures(1, 3, 64, 32)
    maps = small_hybrid.stem(x)
    levels = ReassembleLevels(CHANNELS, (128, 256, 6, 7), maps=2)(small_hybrid(x))
    assert torch.equal(levels[0], maps[0])
    assert torch.equal(levels[1], maps[1])
    assert not torch.equal(maps[0], maps[0].clamp(max=0))  # not all zero, which would prove nothing


@pytest.mark.parametrize("encoder", ["small_beit", "small_hybrid"])
@torch.inference_mode()
def test_pictures_of_a_batch_do_not_touch_each_other(encoder: str, request: pytest.FixtureRequest) -> None:
    network = request.getfixturevalue(encoder)
    x = _pictures(3, 3, 64, 32)
    together, alone = network(x)[-1], network(x[1:2])[-1]
    torch.testing.assert_close(together.patches[1:2], alone.patches, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together.picture[1:2], alone.picture, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_beit_sees_no_absolute_place() -> None:
    """A block knows distances only: on a constant picture with tables of one value, all patches come out alike."""
    network = _random(Beit(CHANNELS, 1, 2, (0,), GRID))
    network.blocks[0].attention.position_table.data[:] = 0.7
    (tokens,) = network(torch.ones(1, 3, 48, 80))
    torch.testing.assert_close(tokens.patches, tokens.patches[:, :1, :1].expand(1, 3, 5, CHANNELS))


def test_position_index_of_a_2x2_grid_is_the_one_written_by_hand() -> None:
    """Distances query minus key in rows of 3; then picture to patch, patch to picture, picture to itself."""
    assert relative_position_index(2, 2).tolist() == [
        [-1, -3, -3, -3, -3],
        [-2, 4, 3, 1, 0],
        [-2, 5, 4, 2, 1],
        [-2, 7, 6, 4, 3],
        [-2, 8, 7, 5, 4],
    ]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (5, 4)])
def test_position_index_uses_each_row_and_depends_on_the_distance_only(height: int, width: int) -> None:
    index = relative_position_index(height, width)
    assert set(index.flatten().tolist()) == set(range(-3, table_length(height, width) - 3))
    rows: dict[tuple[int, int], int] = {}
    places = [(y, x) for y in range(height) for x in range(width)]
    for i, (y, x) in enumerate(places):
        for j, (v, u) in enumerate(places):
            assert rows.setdefault((y - v, x - u), int(index[1 + i, 1 + j])) == index[1 + i, 1 + j]


def test_position_table_at_its_own_grid_is_unchanged() -> None:
    table = torch.randn(table_length(6, 6), 3)
    assert torch.equal(resize_position_table(table, 6, 6), table)


def test_position_table_of_another_grid_keeps_direction_and_the_picture_tokens_rows() -> None:
    """A ramp over the horizontal distance stays one; the vertical distance does not enter."""
    ramp = torch.arange(-3.0, 4.0).expand(7, 7).reshape(-1, 1)
    special = torch.tensor([[50.0], [60.0], [70.0]])
    resized = resize_position_table(torch.cat([ramp, special]), 2, 8)
    assert resized.shape == (table_length(2, 8), 1)
    assert torch.equal(resized[-3:], special)
    rows = resized[:-3].view(3, 15)
    torch.testing.assert_close(rows, rows[:1].expand(3, 15))
    torch.testing.assert_close(rows[0].flip(0), -rows[0])
    inner = rows[0, 1:-1].diff()  # beyond the outermost centres the value stays
    torch.testing.assert_close(inner, torch.full_like(inner, 7 / 15))


@torch.inference_mode()
def test_table_of_another_grid_can_be_loaded_resized() -> None:
    """A network of grid 2 with the tables of one of grid 4 says the same on the grid 2 as that one."""
    trained, network = _random(Beit(CHANNELS, 2, 2, (1,), 4)), Beit(CHANNELS, 2, 2, (1,), 2).eval()
    state = {
        name: resize_position_table(weights, 2, 2) if name.endswith("position_table") else weights
        for name, weights in trained.state_dict().items()
    }
    network.load_state_dict(state)
    x = _pictures(1, 3, 32, 32)
    torch.testing.assert_close(network(x)[0].patches, trained(x)[0].patches)


def test_standardised_kernels_have_mean_zero_and_variance_one() -> None:
    kernels = 5 + 0.1 * torch.randn(6, 4, 3, 3)
    flat = standardised(kernels).flatten(1)
    torch.testing.assert_close(flat.mean(1), torch.zeros(6), rtol=0, atol=1e-5)
    torch.testing.assert_close(flat.var(1, correction=0), torch.ones(6), rtol=1e-4, atol=0)


@torch.inference_mode()
def test_standard_conv_ignores_scale_and_shift_of_its_kernels() -> None:
    layer = _random(StandardConv2d(3, 32, 3, 2))
    x = _pictures(1, 3, 16, 8)
    before = layer(x)
    layer.conv.weight.data = 3 * layer.conv.weight.data + 0.5
    torch.testing.assert_close(layer(x), before, rtol=1e-4, atol=1e-5)


def test_same_padding_puts_the_odd_zero_last() -> None:
    x = torch.ones(1, 1, 4, 4)
    assert vit_hybrid.pad_same(x, 3, 2)[0, 0, 0].tolist() == [1, 1, 1, 1, 0]
    assert vit_hybrid.pad_same(x, 7, 2)[0, 0, 2].tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0]
    assert vit_hybrid.pad_same(x, 3, 1)[0, 0, 1].tolist() == [0, 1, 1, 1, 1, 0]
    assert torch.equal(vit_hybrid.pad_same(x, 1, 2), x)


@torch.inference_mode()
def test_metric_head_scales_and_shifts_what_the_plain_one_gives() -> None:
    plain, metric = _random(Head(4, (4, 2))), _random(Head(4, (4, 2), metric=(0.000305, 0.1378)))
    x = 100 * _pictures(2, 4, 8, 8)
    inverse_depth = metric(x)
    torch.testing.assert_close(inverse_depth, 0.000305 * plain(x) + 0.1378)
    assert inverse_depth.min() >= 0.1378  # so nothing lies beyond 1 / shift metres
    assert plain(x).max() > 1


@pytest.mark.parametrize(
    "encoder",
    [
        Beit(CHANNELS, 1, 2, (0,), GRID),
        VitHybrid(Stem(32, (1, 1, 1)), CHANNELS, 1, 2, (0,), GRID),
    ],
    ids=["beit", "hybrid"],
)
def test_exports_with_any_batch_and_size(encoder: nn.Module) -> None:
    network = _random(encoder)
    batch, rows, columns = (torch.export.Dim(name, min=2, max=64) for name in ("batch", "rows", "columns"))
    sizes = {0: batch, 2: 16 * rows, 3: 16 * columns}
    exported = torch.export.export(network, (_pictures(2, 3, 64, 96),), dynamic_shapes=(sizes,)).module()
    x = _pictures(3, 3, 48, 32)
    with torch.inference_mode():
        for ours, theirs in zip(network(x), exported(x), strict=True):
            pairs = zip(ours, theirs, strict=True) if isinstance(ours, Tokens) else [(ours, theirs)]
            for a, b in pairs:
                torch.testing.assert_close(a, b)


@pytest.mark.parametrize("key", ["attn.relative_position_index", "attn.k_bias"])
def test_beit_needs_nothing_that_follows_from_the_grid(key: str) -> None:
    assert renamed(f"pretrained.model.blocks.3.{key}", beit.RENAMES) is None
