"""The data sets that can be read, each in the layout that its authors' archives unpack to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from openmidas.training.datasets.diode import read_diode, read_diode_indoor
from openmidas.training.datasets.diw import read_diw
from openmidas.training.datasets.entry import Entry
from openmidas.training.datasets.eth3d import read_eth3d
from openmidas.training.datasets.kitti import read_kitti, read_kitti_eigen
from openmidas.training.datasets.measured import read_measured
from openmidas.training.datasets.nyu import read_nyu
from openmidas.training.datasets.sintel import read_sintel
from openmidas.training.datasets.tum import read_tum


@dataclass(frozen=True)
class Layout:
    """read: the set's pictures, given its folder. pictures: how many published figures stand on, if any do."""

    read: Callable[[Path], list[Entry]]
    pictures: int | None


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "diw": Layout(read_diw, 74_441),
        "eth3d": Layout(read_eth3d, 454),
        "sintel": Layout(read_sintel, 1064),
        "kitti": Layout(read_kitti, 161),
        "kitti_eigen": Layout(read_kitti_eigen, 652),
        "nyu": Layout(read_nyu, 654),
        "tum": Layout(read_tum, 1815),
        "diode": Layout(read_diode, 771),
        "diode_indoor": Layout(read_diode_indoor, 325),
        "measured": Layout(read_measured, None),
    }
)
