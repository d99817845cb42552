"""Minibatches follow from seed and step alone, show every picture once an epoch, and do not depend on the processes."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmidas.training.distributed import Processes
from openmidas.training.sampling import Drawn, Stage, draw, order, stage_at

SIZES = {"small": 7, "large": 50}
MIX = (Stage(0, {"small": 4, "large": 2}),)
CURRICULUM = (Stage(0, {"small": 2}), Stage(3, {"small": 4, "large": 2}), Stage(6, {"large": 4}))


def drawn(stages: tuple[Stage, ...], steps: range, seed: int = 0) -> list[Drawn]:
    return list(chain.from_iterable(draw(stages, SIZES, seed, step) for step in steps))


def indices(draws: list[Drawn], name: str) -> list[int]:
    return [each.index for each in draws if each.name == name]


@given(st.integers(0, 2**40), st.integers(1, 40), st.integers(1, 9))
def test_every_picture_is_seen_once_before_any_is_seen_again(seed: int, size: int, per_batch: int) -> None:
    seen = [
        each.index
        for step in range(3 * size)
        for each in draw((Stage(0, {"set": per_batch}),), {"set": size}, seed, step)
    ]
    for start in range(0, len(seen) - size + 1, size):
        assert sorted(seen[start : start + size]) == list(range(size))


def test_each_epoch_has_an_order_of_its_own() -> None:
    seen = indices(drawn(MIX, range(500)), "large")
    assert len({tuple(seen[start : start + 50]) for start in range(0, 1000, 50)}) == 20


def test_seeds_and_sets_have_orders_of_their_own() -> None:
    orders = {tuple(order(seed, name, 50, 0)) for seed in range(5) for name in ("a", "b", "c")}
    assert len(orders) == 15


def test_orders_favour_no_picture() -> None:
    first = Counter(int(order(seed, "set", 5, 0)[0]) for seed in range(2000))
    assert all(330 < first[index] < 470 for index in range(5))


def test_orders_are_the_same_in_every_version() -> None:
    assert order(0, "ReDWeb", 8, 0).tolist() == [3, 7, 6, 2, 1, 0, 5, 4]


def test_a_minibatch_follows_from_its_step_alone() -> None:
    late = draw(CURRICULUM, SIZES, 3, 7)
    assert drawn(CURRICULUM, range(8), 3)[-len(late) :] == late


def test_positions_go_up_by_one_whatever_the_stage() -> None:
    for name in SIZES:
        positions = [each.position for each in drawn(CURRICULUM, range(12)) if each.name == name]
        assert positions == list(range(len(positions)))


def test_processes_share_the_minibatch_of_one() -> None:
    for step in range(20):
        parts = [draw(MIX, SIZES, 1, step, Processes(number, 2)) for number in range(2)]
        assert [len(part) for part in parts] == [3, 3]
        whole = draw(MIX, SIZES, 1, step)
        assert sorted(chain(*parts), key=lambda d: (d.name, d.position)) == sorted(
            whole, key=lambda d: (d.name, d.position)
        )


def test_a_curriculum_pretrains_then_mixes() -> None:
    sets = [{each.name for each in draw(CURRICULUM, SIZES, 0, step)} for step in (0, 2, 3, 5, 6, 99)]
    assert sets == [{"small"}, {"small"}, {"small", "large"}, {"small", "large"}, {"large"}, {"large"}]
    assert stage_at(CURRICULUM, 4) is CURRICULUM[1]


def test_a_minibatch_larger_than_its_set_shows_each_picture_as_often() -> None:
    seen = Counter(indices(draw((Stage(0, {"small": 14}),), SIZES, 0, 5), "small"))
    assert seen == dict.fromkeys(range(7), 2)


def test_an_order_cannot_be_changed_by_who_looks_at_it() -> None:
    with pytest.raises(ValueError, match="read-only"):
        order(0, "small", 7, 0)[0] = 1


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match=r"4 pictures of small .* 3 processes"):
        draw(MIX, SIZES, 0, 0, Processes(0, 3))
    with pytest.raises(ValueError, match="set large has no pictures"):
        draw(MIX, {"small": 7}, 0, 0)
    with pytest.raises(ValueError, match="set small has no pictures"):
        draw(MIX, {"small": 0, "large": 50}, 0, 0)
    for firsts in ((), (1,), (0, 5, 5), (0, 6, 4)):
        with pytest.raises(ValueError, match="stages begin at steps"):
            stage_at([Stage(first, {}) for first in firsts], 0)


def test_all_of_a_set_of_millions_is_drawn_from() -> None:
    few = draw((Stage(0, {"wsvd": 8}),), {"wsvd": 1_500_000}, 0, 400_000)
    assert len({each.index for each in few}) == 8
    assert np.ptp([each.index for each in few]) > 1000
