"""What is changed of a recipe: sets that are not there, its length, its network, the size of its minibatch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from openmidas.training.adapting import Wanted, WantedError, adapted, check_shares, left_out, shared_out
from openmidas.training.distributed import Processes
from openmidas.training.recipes import RECIPES, Sizes


def test_sets_without_a_folder_are_left_out_and_steps_shared_between_the_phases() -> None:
    recipe = RECIPES["midas-2020"]
    wanted = Wanted({"redweb": Path("a"), "wsvd": Path("b")}, steps=600, network="dpt_swin2_tiny_256")
    less = adapted(recipe, wanted)
    assert [[part.name for part in phase.parts] for phase in less.phases] == [["redweb"], ["redweb", "wsvd"]]
    assert [phase.steps for phase in less.phases] == [500, 100]  # pictures of 8 and of 40 a minibatch
    assert less.phases[0].sizes == ((256, 256),)  # all that this network takes
    assert left_out(recipe, wanted) == ["diml_indoor", "movies", "megadepth"]
    assert adapted(RECIPES["smoke"], Wanted({})) == RECIPES["smoke"]


def test_a_phase_without_any_folder_is_left_out_and_said_to_be() -> None:
    recipe, wanted = RECIPES["midas-2020"], Wanted({"movies": Path("a")}, steps=7)
    (mix,) = adapted(recipe, wanted).phases
    assert (mix.name, mix.steps, [part.name for part in mix.parts]) == ("mix", 7, ["movies"])
    assert left_out(recipe, wanted)[-2:] == ["wsvd", "the phase pretrain"]


@pytest.mark.parametrize(
    ("total", "sizes", "shares"),
    [(3, [500, 100], [2, 1]), (3, [100, 500], [1, 2]), (1, [1, 1], [1, 1]), (9, [9999, 1], [8, 1])],
)
def test_steps_areshared_out_to_the_last_one(total: int, sizes: list[int], shares: list[int]) -> None:
    assert shared_out(total, sizes) == shares


def test_another_network_sees_no_pictures_larger_than_its_own() -> None:
    def sizes(recipe: str, network: str | None) -> Sizes:
        return adapted(RECIPES[recipe], Wanted({"redweb": Path("a")}, network=network)).phases[0].sizes

    assert sizes("midas-2020", None) == ((384, 384),)
    assert sizes("midas-2020", "midas_v21_small_256") == ((256, 256),)
    assert sizes("midas-2020", "dpt_beit_large_512") == ((384, 384),)
    assert sizes("smoke", "midas_v21_small_256") == RECIPES["smoke"].phases[0].sizes


def test_the_mixing_of_the_command_line_is_that_of_every_phase() -> None:
    wanted = Wanted({"redweb": Path("a"), "wsvd": Path("b")}, mixing="naive")
    assert {phase.mixing for phase in adapted(RECIPES["midas-2020"], wanted).phases} == {"naive"}


def test_a_smaller_minibatch_keeps_the_shares_of_the_sets_and_a_larger_one_is_not_made() -> None:
    wanted = Wanted({name: Path(name) for name in ("photos", "labels", "kinect", "synthetic")}, batch=10)
    shares = [[part.per_batch for part in phase.parts] for phase in adapted(RECIPES["tiny"], wanted).phases]
    assert shares == [[3, 4, 3]] * 2  # of five, six and five
    assert adapted(RECIPES["smoke"], Wanted({}, batch=11)) == RECIPES["smoke"]
    with pytest.raises(WantedError, match="--batch 4 is too small for a picture of each of 5 sets"):
        adapted(RECIPES["smoke"], Wanted({}, batch=4))


def test_processes_among_whom_the_minibatch_cannot_be_shared_are_too_many() -> None:
    check_shares(RECIPES["smoke"], Processes(1, 2))
    with pytest.raises(WantedError, match="2 pictures of lidar a minibatch, and 4 processes"):
        check_shares(RECIPES["smoke"], Processes(0, 4))


def test_another_seed_is_the_recipe_s_and_none_leaves_its_own() -> None:
    assert adapted(RECIPES["smoke"], Wanted({}, seed=7)).seed == 7
    assert adapted(replace(RECIPES["smoke"], seed=5), Wanted({})).seed == 5


def test_a_shorter_run_warms_up_in_proportion_and_another_network_has_no_frozen_names() -> None:
    data = {name: Path(name) for name in ("photos", "labels")}
    assert [phase.warm_up_steps for phase in adapted(RECIPES["tiny"], Wanted(data, steps=125)).phases] == [
        2,
        2,
    ]
    assert [phase.warm_up_steps for phase in adapted(RECIPES["tiny"], Wanted(data)).phases] == [200, 200]
    other = adapted(RECIPES["tiny"], Wanted(data, network="midas_v21_small_256"))
    assert [phase.frozen for phase in other.phases] == [(), ()]
    assert adapted(RECIPES["tiny"], Wanted(data)).phases[0].frozen
