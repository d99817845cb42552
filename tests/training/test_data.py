"""Minibatches follow from the seed and the step alone, are shared out, and come in time."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from learning import PARTS, PHASE, sources

from openmidas.files.errors import FileError, file_error
from openmidas.models.presets import PRESETS
from openmidas.training import data
from openmidas.training.annotations import Sample
from openmidas.training.data import NICENESS, Batch, Plan, Source, batches, draw_batch, stacked
from openmidas.training.distributed import Processes
from openmidas.training.loop import plan_of
from openmidas.training.recipes import Recipe
from openmidas.training.sampling import Drawn

PLAN = plan_of(Recipe("tiny", (PHASE,), seed=3), PHASE)


def tensors(batch: Batch) -> list[torch.Tensor]:
    return [batch.image, batch.target, batch.valid, *batch.pairs]


def test_a_late_minibatch_needs_no_earlier_one() -> None:
    (late,) = batches(sources(), PLAN, range(12, 13))
    *_, thirteenth = batches(sources(), PLAN, range(13))
    assert all(torch.equal(a, b) for a, b in zip(tensors(late), tensors(thirteenth), strict=True))


def test_minibatches_of_two_seeds_differ() -> None:
    a, b = (draw_batch(sources(), replace(PLAN, seed=seed), 0) for seed in (0, 1))
    assert a.image.shape != b.image.shape or not torch.equal(a.image, b.image)


def test_the_parts_of_two_processes_together_are_the_whole_minibatch() -> None:
    whole = draw_batch(sources(), PLAN, 5).split([part.per_batch for part in PARTS])
    counts = [part.per_batch // 2 for part in PARTS]
    first, second = (
        draw_batch(sources(), replace(PLAN, processes=Processes(n, 2)), 5).split(counts) for n in (0, 1)
    )
    for of_both, a, b in zip(whole, first, second, strict=True):
        assert torch.equal(of_both.image, torch.cat([a.image, b.image]))
        assert torch.equal(of_both.target, torch.cat([a.target, b.target]))


def test_sets_come_in_their_shares_each_with_its_own_truth() -> None:
    bright, scaled, pairs = draw_batch(sources(), PLAN, 0).split([part.per_batch for part in PARTS])
    assert [len(each.image) for each in (bright, scaled, pairs)] == [4, 2, 2]
    assert bright.target.max() <= 1 < 3 <= scaled.target[scaled.valid].min()
    assert not pairs.valid.any()
    assert pairs.pairs.valid.any(1).all()
    assert not bright.pairs.valid.any()


@pytest.mark.parametrize(("name", "red"), [("tiny", 1.0), ("dpt_large_384", 1.0), ("midas_v21_384", 2.2489)])
def test_pictures_are_normalised_as_their_network_wants_them(name: str, red: float) -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 0] = 255
    nothing = np.zeros((4, 4), np.float32)
    batch = stacked([Sample(image, nothing, nothing > 0)], PRESETS[name])
    assert batch.image[0, 0, 0, 0].item() == pytest.approx(red, abs=1e-4)
    assert batch.image.is_contiguous(memory_format=torch.channels_last)


def test_on_the_networks_own_cores_reading_gives_way_to_it() -> None:
    seen: list[int] = []

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, 0)

    def read(drawn: Drawn) -> Sample:
        seen.append(niceness())
        return sources()["scaled"].read(drawn)

    before = niceness()
    for gives_way in (False, True):
        list(batches({**sources(), "scaled": Source(PARTS[1], 8, read)}, PLAN, range(1), gives_way))
    lower = min(before + NICENESS, 19) if sys.platform == "linux" else before
    assert set(seen[:2]) == {before}
    assert set(seen[2:]) == {lower}
    assert niceness() == before


def watched(read_of: Callable[[Drawn], None]) -> dict[str, Source]:
    """The sets, of which the first tells what is drawn of it."""
    bright = sources()["bright"]

    def read(drawn: Drawn) -> Sample:
        read_of(drawn)
        return bright.read(drawn)

    return {**sources(), "bright": replace(bright, read=read)}


@pytest.mark.parametrize(("here", "threads"), [(1, 8), (2, 4), (5, 1), (8, 1), (64, 1)])
def test_processes_of_one_machine_share_its_cores(
    here: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "usable_cores", lambda: 8)
    seen: set[int] = set()

    def slowly(_: Drawn) -> None:
        seen.add(threading.get_ident())
        time.sleep(0.003)

    plan = replace(PLAN, processes=Processes(0, 1, here))
    assert len(list(batches(watched(slowly), plan, range(24)))) == 24
    assert len(seen) == threads


@pytest.mark.parametrize(("fitting", "ahead"), [(0.5, 2), (5.5, 5), (1000, 8)])
def test_no_more_minibatches_are_made_ahead_than_fit(
    fitting: float, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "usable_cores", lambda: 4)
    plan = replace(PLAN, sizes=((32, 32),))
    expected = [draw_batch(sources(), plan, step) for step in range(12)]
    monkeypatch.setattr(data, "MOST_AHEAD_BYTES", int(fitting * expected[0].size_bytes))
    made: set[int] = set()
    drawn = batches(watched(lambda one: made.add(one.position // PARTS[0].per_batch)), plan, range(12))
    for step, wanted in enumerate(expected):
        assert all(torch.equal(a, b) for a, b in zip(tensors(next(drawn)), tensors(wanted), strict=True))
        ends, until = time.monotonic() + 5, min(step + 1 + ahead, 12)
        while len(made) < until and time.monotonic() < ends:
            time.sleep(0.001)
        time.sleep(0.003)
        assert made == set(range(until))
    assert next(drawn, None) is None


def test_a_picture_that_cannot_be_read_ends_training_with_its_name() -> None:
    def broken(_: Drawn) -> Sample:
        raise file_error("photo.jpg", "is cut off: copy it again")

    spoilt = {**sources(), "scaled": Source(PARTS[1], 8, broken)}
    with pytest.raises(FileError, match=r"photo\.jpg"):
        list(batches(spoilt, PLAN, range(3)))


def test_a_plan_is_one_stage_for_each_phase() -> None:
    first = replace(PHASE, name="pretrain", parts=PARTS[:1], steps=7)
    plan = plan_of(Recipe("tiny", (first, PHASE)), PHASE)
    assert isinstance(plan, Plan)
    assert [(stage.first, dict(stage.per_batch)) for stage in plan.stages] == [
        (0, {"bright": 4}),
        (7, {"bright": 4, "scaled": 2, "pairs": 2}),
    ]
