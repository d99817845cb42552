"""The embedded network in PyTorch: shapes, size, operations, and its ONNX file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from openmidas.models import PRESETS
from openmidas.networks.export import export_onnx, largest_relative_error, load_exported_weights
from openmidas.networks.fusion import FusionBlock, count_multiply_adds, count_parameters, enlarge
from openmidas.networks.mobilenet import MobileNetV2, SameConv2d, load_folded_weights
from openmidas.networks.tiny import TinyNetwork, steepened

SHAPES = ((96, 160), (64, 64))


@pytest.fixture(scope="module")
def network() -> TinyNetwork:
    torch.manual_seed(0)
    return TinyNetwork().eval()


def test_network_stays_in_its_budget(network: TinyNetwork) -> None:
    assert count_multiply_adds(network, 256, 256) <= 0.8e9
    assert count_parameters(network) * 2 <= 8e6


def test_operations_are_counted_by_hand() -> None:
    layer = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2, padding=1), torch.nn.Conv2d(8, 8, 3, groups=8)
    )
    # 16 x 16 positions of 8 filters of 27, then 14 x 14 positions of 8 filters of 9
    assert count_multiply_adds(layer, 32, 32) == 16 * 16 * 8 * 27 + 14 * 14 * 8 * 9


@pytest.mark.parametrize("shape", [(32, 32), (256, 256), (64, 320), (320, 32)])
def test_output_has_the_input_size_and_is_never_negative(
    network: TinyNetwork, shape: tuple[int, int]
) -> None:
    with torch.inference_mode():
        output = network(torch.randn(2, 3, *shape))
    assert output.shape == (2, *shape)
    assert (output >= 0).all()


def test_levels_stand_at_two_to_thirty_two() -> None:
    levels = MobileNetV2()(torch.zeros(1, 3, 64, 96))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (16, 32, 48), (24, 16, 24), (32, 8, 12), (96, 4, 6), (320, 2, 3),
    ]  # fmt: skip


def test_stride_two_pads_after_the_picture() -> None:
    layer = SameConv2d(1, 1, 3, 2)
    torch.nn.init.ones_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    # every window starts on an even pixel; the last ones reach one pixel beyond and find zero there
    output = layer(torch.ones(1, 1, 4, 4))
    torch.testing.assert_close(output[0, 0], torch.tensor([[9.0, 6.0], [6.0, 4.0]]))


def test_projecting_before_enlarging_equals_the_papers_order() -> None:
    torch.manual_seed(1)
    block = FusionBlock(8, 4, align_corners=False)
    coarse, skip = torch.randn(1, 8, 6, 10), torch.randn(1, 8, 6, 10)
    papers = block.project(enlarge(block.output_unit(coarse + block.skip_unit(skip))))
    torch.testing.assert_close(block(coarse, skip), papers, rtol=1e-4, atol=1e-5)


def test_folded_weights_load_whole_or_not_at_all(tmp_path: Path) -> None:
    encoder = MobileNetV2()
    stored = {key: np.full(value.shape, 0.5, np.float16) for key, value in encoder.state_dict().items()}
    np.savez(tmp_path / "encoder.npz", **stored)
    load_folded_weights(encoder, tmp_path / "encoder.npz")
    assert all((value == 0.5).all() for value in encoder.state_dict().values())
    del stored["stem.bias"]
    np.savez(tmp_path / "short.npz", **stored)
    with pytest.raises(KeyError, match=r"stem\.bias"):
        load_folded_weights(encoder, tmp_path / "short.npz")


@pytest.mark.filterwarnings("ignore")  # the exporter deprecates its own internals
def test_export_agrees_with_pytorch_and_keeps_its_metadata(network: TinyNetwork, tmp_path: Path) -> None:
    path = tmp_path / "tiny.onnx"
    assert export_onnx(network, path, {"licence": "MIT"}, SHAPES, numbers="stored_float16") < 1e-4
    model = onnx.load(path)
    assert {p.key: p.value for p in model.metadata_props}["licence"] == "MIT"
    assert path.stat().st_size < 2.2 * count_parameters(network)
    other = TinyNetwork().eval()
    assert largest_relative_error(other, path, SHAPES) > 1e-2
    load_exported_weights(other, path)
    assert largest_relative_error(other, path, SHAPES) < 1e-4


def test_exported_weights_load_whole_or_not_at_all() -> None:
    with pytest.raises(RuntimeError, match="Missing key"):
        load_exported_weights(torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3)), PRESETS["tiny"].path)


def test_shipped_file_fits_the_wheel() -> None:
    assert PRESETS["tiny"].path.stat().st_size <= 8_000_000


def test_steepening_turns_a_ramp_into_a_step_between_its_ends() -> None:
    ramp = torch.tensor([0.0, 0, 0, 0, 0, 1, 2, 3, 4, 4, 4, 4, 4]).expand(1, 1, 9, 13)
    steep = steepened(steepened(ramp))[0, 0, 4]
    torch.testing.assert_close(steep, torch.tensor([0.0, 0, 0, 0, 0, 0, 2, 4, 4, 4, 4, 4, 4]))


def test_steepening_leaves_slopes_and_steps_alone() -> None:
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(30.0), indexing="ij")
    slope = (3 * x + 2 * y)[None, None]
    inner = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(steepened(steepened(slope))[inner], slope[inner])
    step = (x > 11).float()[None, None]
    torch.testing.assert_close(steepened(step), step)


def test_steepening_never_leaves_the_range_and_follows_scale_and_shift() -> None:
    x = torch.randn(2, 1, 24, 24, generator=torch.Generator().manual_seed(3))
    steep = steepened(x)
    assert steep.max() <= x.max()
    assert steep.min() >= x.min()
    torch.testing.assert_close(steepened(5 * x - 7), 5 * steep - 7, rtol=1e-4, atol=1e-4)
