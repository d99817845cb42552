"""Sets open from folders by their layout, or are made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from zlib import crc32

import cv2
import numpy as np
import pytest
from learning import PHASE

from openmidas.files.errors import FileError
from openmidas.training.annotations import Sample
from openmidas.training.data import Source
from openmidas.training.datasets.entry import OrdinalPairs
from openmidas.training.recipes import Part
from openmidas.training.sampling import Drawn
from openmidas.training.sources import POOL, USES, folder_names, held_out, held_out_worlds, kept, open_source
from openmidas.training.synthetic.worlds import world_sample


def test_worlds_need_no_folder_and_come_with_the_truth_of_their_kind() -> None:
    part = Part("far", "worlds-ordinal", 2, "ranking")
    source = open_source(part, {}, PHASE, 0)
    sample = source.read(Drawn("far", 0, 0))
    assert folder_names(part) == ()
    assert isinstance(sample.pairs, OrdinalPairs)
    assert sample.image.shape == (80, 80, 3)  # a quarter more than the largest side of the minibatches


def test_a_set_of_worlds_has_those_of_its_name_each_as_the_generator_degrades_it() -> None:
    sample = open_source(Part("far", "worlds-rgbd", 2), {}, PHASE, 0).read(Drawn("far", 0, 0))
    seed = crc32(b"far")
    first = (world_sample("rgbd", seed, number, (80, 80)) for number in range(POOL))
    same = next(each for each in first if (each.image == sample.image).all())
    np.testing.assert_array_equal(sample.target, same.target)
    np.testing.assert_array_equal(sample.valid, same.valid)


def test_another_seed_has_other_worlds_of_the_same_set() -> None:
    def first(seed: int) -> bytes:
        return (
            open_source(Part("far", "worlds-rgbd", 2), {}, PHASE, seed)
            .read(Drawn("far", 0, 0))
            .image.tobytes()
        )

    assert first(0) == first(0) != first(1)


def test_a_world_is_seen_several_times_and_then_never_again() -> None:
    source = open_source(Part("far", "worlds-sfm", 2), {}, PHASE, 0)
    early = {source.read(Drawn("far", 0, n)).image.tobytes() for n in range(USES)}
    assert 2 < len(early) < USES
    late = {source.read(Drawn("far", 0, POOL * USES + n)).image.tobytes() for n in range(2)}
    assert not early & late


def test_two_threads_that_want_the_same_world_get_one() -> None:
    source = open_source(Part("near", "worlds-sfm", 2), {}, PHASE, 0)
    together = Barrier(2)

    def read(_: int) -> Sample:
        together.wait()
        return source.read(Drawn("near", 0, 0))

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(read, range(2))
    assert first is second


def test_as_many_pictures_are_kept_as_fit() -> None:
    opened: list[int] = []

    def read(drawn: Drawn) -> Sample:
        opened.append(drawn.index)
        return Sample(np.full((4, 6, 3), drawn.index, np.uint8), np.zeros((4, 6)), np.ones((4, 6), bool))

    source = kept(Source(Part("photos", "manifest", 1), 3, read), 2 * (4 * 6 * (3 + 8 + 1)))
    for index in (1, 2, 0, 1, 0, 2):
        assert source.read(Drawn("photos", index, index)).image[0, 0, 0] == index
    assert opened == [1, 2, 0, 0]
    assert source.count == 3


def test_worlds_that_networks_are_measured_on_are_others_than_those_they_learn_from() -> None:
    (measured,) = held_out_worlds(PHASE, 1)
    assert measured.image.shape == (80, 80, 3)
    again = next(held_out_worlds(PHASE, 1))
    np.testing.assert_array_equal(measured.image, again.image)


def test_kinect_pictures_that_are_held_out_are_not_trained_on(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(40, 200, 24).astype(np.uint8)[:, None, None], (1, 32, 3))
    for number in ("0001", "0007"):
        cv2.imwrite(str(tmp_path / f"{number}.webp"), ramp)
        cv2.imwrite(str(tmp_path / f"{number}_depth.webp"), ramp, [cv2.IMWRITE_WEBP_QUALITY, 101])
    part = Part("kinect", "kinect", 1, held_out=((5, 10),))
    assert [held_out(part, number) for number in (4, 5, 9, 10)] == [False, True, True, False]
    source = open_source(part, {"kinect": tmp_path}, PHASE, 0)
    assert source.count == 1
    sample = source.read(Drawn("kinect", 0, 0))
    assert sample.ambiguity == "metric"
    # the darker the code, the nearer
    assert sample.target[0, 0] == pytest.approx(1 / (40.5 * 9.99547 / 255), rel=1e-3)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="holds no picture of the layout kinect"):
        open_source(Part("kinect", "kinect", 1), {"kinect": tmp_path}, PHASE, 0)
    with pytest.raises(FileError, match="nowhere"):
        open_source(Part("kinect", "kinect", 1), {"kinect": tmp_path / "nowhere"}, PHASE, 0)
