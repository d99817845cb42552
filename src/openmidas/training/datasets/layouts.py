"""The data sets that can be read, each in the layout that its authors' archives unpack to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from openmidas.training.annotations import Kind
from openmidas.training.datasets import paired_sets
from openmidas.training.datasets.diode import read_diode, read_diode_indoor, read_diode_train
from openmidas.training.datasets.diw import read_diw, read_diw_train
from openmidas.training.datasets.entry import Entry
from openmidas.training.datasets.eth3d import read_eth3d
from openmidas.training.datasets.kitti import (
    read_kitti,
    read_kitti_eigen,
    read_kitti_eigen_train,
    read_kitti_train,
)
from openmidas.training.datasets.manifest import read_manifest
from openmidas.training.datasets.measured import read_measured
from openmidas.training.datasets.nyu import read_nyu, read_nyu_train
from openmidas.training.datasets.nyu_raw import read_nyu_raw
from openmidas.training.datasets.places import PairedSet, read_paired
from openmidas.training.datasets.sintel import read_sintel
from openmidas.training.datasets.tum import read_tum


@dataclass(frozen=True)
class Layout:
    """read: the set's pictures, given its folder. pictures: how many were published, or published figures stand on.

    A number of whole thousands is its authors' rounding. kind: the annotation, where the layout has but one.
    """

    read: Callable[[Path], list[Entry]]
    pictures: int | None
    kind: Kind | None


def _paired(paired: PairedSet, pictures: int | None, kind: Kind) -> Layout:
    return Layout(partial(read_paired, paired), pictures, kind)


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "diw": Layout(read_diw, 74_441, "ordinal"),
        "eth3d": Layout(read_eth3d, 454, "metric_depth"),
        "sintel": Layout(read_sintel, 1064, "rendered"),
        "kitti": Layout(read_kitti, 161, "metric_depth"),
        "kitti_eigen": Layout(read_kitti_eigen, 652, "metric_depth"),
        "nyu": Layout(read_nyu, 654, "metric_depth"),
        "tum": Layout(read_tum, 1815, "metric_depth"),
        "diode": Layout(read_diode, 771, "metric_depth"),
        "diode_indoor": Layout(read_diode_indoor, 325, "metric_depth"),
        "measured": Layout(read_measured, None, None),
        # to train on
        "redweb": _paired(paired_sets.REDWEB, 3600, "disparity"),
        "hrwsi": _paired(paired_sets.HRWSI, 20_378, "disparity"),
        "wsvd": _paired(paired_sets.WSVD, 1_500_000, "disparity"),
        "irs": _paired(paired_sets.IRS, 103_316, "rendered"),
        "diml_indoor": _paired(paired_sets.DIML_INDOOR, 220_000, "metric_depth"),
        "nyu_train": Layout(read_nyu_train, 795, "metric_depth"),
        "nyu_raw": Layout(read_nyu_raw, None, "metric_depth"),
        "megadepth": _paired(paired_sets.MEGADEPTH, 130_000, "structure_from_motion"),
        "blendedmvs": _paired(paired_sets.BLENDEDMVS, 17_000, "structure_from_motion"),
        "diw_train": Layout(read_diw_train, 421_000, "ordinal"),
        "kitti_train": Layout(read_kitti_train, 85_898, "metric_depth"),
        "kitti_eigen_train": Layout(read_kitti_eigen_train, 23_158, "metric_depth"),
        "diode_train": Layout(read_diode_train, 25_458, "metric_depth"),
        "tartanair": _paired(paired_sets.TARTANAIR, None, "rendered"),
        "hypersim": _paired(paired_sets.HYPERSIM, 74_619, "rendered"),
        "vkitti2": _paired(paired_sets.VKITTI2, 42_520, "rendered"),
        "manifest": Layout(read_manifest, None, None),
    }
)
