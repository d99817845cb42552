"""The loop learns, averages, and goes on from its checkpoint as if it had never stopped."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from openmidas.training.augment import Sample
from openmidas.training.data import Source, batches
from openmidas.training.loop import Schedule, rate_factor, train

SCHEDULE = Schedule(
    60, ((32, 32), (32, 64)), encoder_rate=3e-2, decoder_rate=3e-2, warm_up_steps=5, average_decay=0.8
)


class OneConvolution(nn.Module):
    """Enough to learn that bright is near."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = nn.Conv2d(3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(x)[:, 0]


def sources() -> list[Source]:
    """Red is near in the first, blue is noise; the second has another scale and shift."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (8, 48, 64, 3), dtype=np.uint8)
    known = np.ones((48, 64), bool)
    images = np.stack([cv2.GaussianBlur(image, (0, 0), 4) for image in images])
    bright = [Sample(i, i[..., 0].astype(np.float16) / 255, known) for i in images]
    scaled = [Sample(s.image, s.target * 7 + 3, known) for s in bright]
    return [Source("bright", bright, 3, 1.0, 0.5, 0.0), Source("scaled", scaled, 1, 0.8, 0.0, 0.0)]


def learn(folder: Path, schedule: Schedule = SCHEDULE, every: int = 20) -> nn.Module:
    torch.manual_seed(0)
    return train(OneConvolution(), sources(), schedule, folder, lambda _: {"score": 1.0}, every)


def test_training_learns_across_scales_and_logs_every_source(tmp_path: Path) -> None:
    learn(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 40, 60]
    assert lines[-1]["bright"] < 0.8 * lines[0]["bright"]
    assert lines[-1]["scaled"] < 0.8 * lines[0]["scaled"]
    assert lines[-1]["score"] == 1.0


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    whole = learn(tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(_: nn.Module) -> dict[str, float]:
        raise Stop

    torch.manual_seed(0)
    with pytest.raises(Stop):
        train(OneConvolution(), sources(), SCHEDULE, tmp_path / "halves", stop, 20)
    resumed = learn(tmp_path / "halves")
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_weights_are_averaged(tmp_path: Path) -> None:
    learn(tmp_path)
    stored = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    last, average = stored["network"]["decoder.weight"], stored["average"]["module.decoder.weight"]
    assert not torch.equal(last, average)
    torch.testing.assert_close(last, average, atol=0.2, rtol=0)


def test_rate_rises_then_falls_to_a_hundredth() -> None:
    factors = [rate_factor(step, SCHEDULE) for step in range(60)]
    assert factors[0] == pytest.approx(0.2)
    assert factors[4] == pytest.approx(1.0)
    assert all(a > b for a, b in pairwise(factors[5:]))
    assert rate_factor(59, replace(SCHEDULE, steps=60)) < 0.02


def test_batches_follow_from_seed_and_step_alone() -> None:
    late = next(batches(sources(), SCHEDULE.sizes, 3, range(12, 13)))
    *_, twelfth = batches(sources(), SCHEDULE.sizes, 3, range(13))
    torch.testing.assert_close(late.image, twelfth.image)
    torch.testing.assert_close(late.target, twelfth.target)


def test_batch_mixes_the_sources_in_their_shares() -> None:
    batch = next(batches(sources(), SCHEDULE.sizes, 0, range(1)))
    assert batch.image.shape[0] == 4
    assert batch.gradient_weight.tolist() == [0.5, 0.5, 0.5, 0.0]
    assert batch.target[3].max() > 3
    assert batch.image.min() >= -1
    assert batch.image.max() <= 1


def test_frozen_parameters_stay(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(OrderedDict(decoder=OneConvolution(), encoder=nn.Identity()))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    frozen = replace(SCHEDULE, steps=10, frozen=("decoder.decoder.bias",))
    after = train(network, sources(), frozen, tmp_path, lambda _: {}, 10).state_dict()
    assert torch.equal(before["decoder.decoder.bias"], after["decoder.decoder.bias"])
    assert not torch.equal(before["decoder.decoder.weight"], after["decoder.decoder.weight"])
