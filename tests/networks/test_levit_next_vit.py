from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from openmidas.networks.decoder import Decoder, Head
from openmidas.networks.encoders import levit, next_vit
from openmidas.networks.encoders.levit import AttentionBias, Levit, distance_index, transposed_convolutions
from openmidas.networks.encoders.next_vit import ConvolutionAttention, NextVit, PooledAttention, Stage

SMALL_STAGES = (Stage(32, 2), Stage(32, 1, 1, 64, 16), Stage(64, 1, 2, 96, 4), Stage(96, 1, 1, 128))


def drawn(network: nn.Module) -> nn.Module:
    """The network in eval mode, every weight and running statistic a random number, variances positive."""
    generator = torch.Generator().manual_seed(0)
    for name, values in network.state_dict().items():
        if name.endswith("running_var"):
            values.uniform_(0.5, 1.5, generator=generator)
        elif values.is_floating_point():
            values.normal_(0, 0.2, generator=generator)
    return network.eval()


def picture(batch: int, height: int, width: int) -> Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


def small_levit(side: int) -> nn.Module:
    return drawn(Levit((32, 64, 96), heads=(1, 2, 3), depths=(2, 1, 1), taken=(1, 7, 11), side=side))


def small_next_vit() -> nn.Module:
    return drawn(NextVit(SMALL_STAGES))


def assert_pictures_do_not_meet(network: nn.Module, height: int, width: int) -> None:
    both = picture(2, height, width)
    for together, first, second in zip(network(both), network(both[:1]), network(both[1:]), strict=True):
        torch.testing.assert_close(together, torch.cat([first, second]))


def test_distance_index_of_a_two_by_two_grid_is_the_one_made_by_hand() -> None:
    assert distance_index(2).tolist() == [[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]]


def test_distance_index_of_every_second_query_is_the_one_made_by_hand() -> None:
    assert distance_index(3, stride=2).tolist() == [
        [0, 1, 2, 3, 4, 5, 6, 7, 8],
        [2, 1, 0, 5, 4, 3, 8, 7, 6],
        [6, 7, 8, 3, 4, 5, 0, 1, 2],
        [8, 7, 6, 5, 4, 3, 2, 1, 0],
    ]


def test_attention_bias_looks_each_head_up_in_its_own_table() -> None:
    bias = AttentionBias(heads=2, side=2)
    bias.table.data = torch.tensor([[0.0, 1, 2, 3], [10, 11, 12, 13]])
    assert bias()[0, :, 1].tolist() == [[1, 0, 3, 2], [11, 10, 13, 12]]


def test_attention_bias_computes_its_index_and_stores_only_the_table() -> None:
    assert list(AttentionBias(heads=2, side=4).state_dict()) == ["table"]


@pytest.mark.parametrize(("side", "sides"), [(4, [4, 2, 1]), (7, [7, 4, 2]), (14, [14, 7, 4])])
def test_levit_halves_its_grid_between_levels_and_rounds_up(side: int, sides: list[int]) -> None:
    levels = small_levit(side)(picture(2, 16 * side, 16 * side))
    assert [tuple(level.shape) for level in levels] == [
        (2, c, s, s) for c, s in zip((32, 64, 96), sides, strict=True)
    ]


@pytest.mark.parametrize(("height", "width"), [(96, 96), (64, 96), (96, 64), (32, 128)])
def test_levit_refuses_every_size_but_its_own(height: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"takes pictures of 64x64, not {width}x{height}"):
        small_levit(4)(picture(1, height, width))


def test_levit_pictures_of_a_batch_do_not_meet() -> None:
    assert_pictures_do_not_meet(small_levit(4), 64, 64)


def test_levit_map_lies_as_the_picture_does() -> None:
    x = torch.arange(2 * 9).view(1, 9, 2)
    assert levit.square_map(x)[0, 1].tolist() == [[1, 3, 5], [7, 9, 11], [13, 15, 17]]


@pytest.mark.parametrize("side", [1, 7, 28])
def test_transposed_convolutions_give_four_times_the_size_and_a_quarter_of_the_channels(side: int) -> None:
    stem = drawn(transposed_convolutions(16))
    assert stem(torch.ones(1, 16, side, side)).shape == (1, 4, 4 * side, 4 * side)


def test_head_without_stem_has_no_weights_but_its_own() -> None:
    assert {name.split(".")[0] for name in Head(8, (8, 4)).state_dict()} == {"conv1", "conv2", "conv3"}


def test_three_levels_and_a_stem_make_a_map_of_the_pictures_size() -> None:
    decoder = drawn(Decoder((32, 64, 96), (16, 16, 16)))
    head = drawn(Head(4, (4, 2), stem=transposed_convolutions(16)))
    assert head(decoder(small_levit(7)(picture(2, 112, 112)))).shape == (2, 112, 112)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 32), (32, 96), (96, 160)])
def test_next_vit_takes_every_multiple_of_32(height: int, width: int) -> None:
    levels = small_next_vit()(picture(2, height, width))
    assert [tuple(level.shape) for level in levels] == [
        (2, c, height // s, width // s) for c, s in ((32, 4), (64, 8), (96, 16), (128, 32))
    ]


def test_next_vit_pictures_of_a_batch_do_not_meet() -> None:
    assert_pictures_do_not_meet(small_next_vit(), 64, 96)


def test_next_vit_large_ends_its_stages_at_the_published_blocks() -> None:
    with torch.device("meta"):
        assert NextVit(next_vit.LARGE).taken == [2, 6, 36, 39]


def test_convolution_attention_heads_do_not_meet_before_the_projection() -> None:
    attention = drawn(ConvolutionAttention(64))
    attention.project = nn.Identity()
    x = torch.randn(1, 64, 4, 4, generator=torch.Generator().manual_seed(2))
    changed = x.clone()
    changed[:, :32] += 1
    before, after = attention(x), attention(changed)
    assert torch.equal(before[:, 32:], after[:, 32:])
    assert not torch.allclose(before[:, :32], after[:, :32])


@pytest.mark.parametrize("pooled", [1, 4, 8])
def test_pooled_attention_is_the_formula_with_successive_tokens_averaged(pooled: int) -> None:
    attention = drawn(PooledAttention(64, pooled))
    x = torch.randn(2, 64, 4, 6, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(attention(x), attention_by_formula(attention, x, pooled))


def attention_by_formula(attention: nn.Module, x: Tensor, pooled: int) -> Tensor:
    tokens = [x[:, :, row, column] for row in range(x.shape[2]) for column in range(x.shape[3])]
    averages = [sum(tokens[n : n + pooled]) / pooled for n in range(0, len(tokens), pooled)]
    asked = torch.stack(averages, dim=2)
    if pooled > 1:
        asked = attention.pool[1](asked)
    asked, asking = asked.transpose(1, 2), torch.stack(tokens, dim=1)
    answers = []
    for head in (slice(0, 32), slice(32, 64)):
        q, k, v = (
            attention.queries(asking)[..., head],
            attention.keys(asked)[..., head],
            attention.values(asked),
        )
        answers.append((q @ k.transpose(1, 2) / 32**0.5).softmax(dim=-1) @ v[..., head])
    return attention.project(torch.cat(answers, dim=-1)).transpose(1, 2).reshape(x.shape)
