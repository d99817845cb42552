"""ETH3D, high-resolution multi-view, training: laser scans seen by a digital camera.

Source: Schöps et al., A Multi-View Stereo Benchmark with High-Resolution Images and Multi-Camera Videos, CVPR 2017.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from openmidas.files import dataset_depths
from openmidas.training.datasets.entry import Entry
from openmidas.training.datasets.folders import require

# The test scenes come without depth; whoever unpacked them too has 454 pictures of these all the same.
SCENES = (
    "courtyard",
    "delivery_area",
    "electro",
    "facade",
    "kicker",
    "meadow",
    "office",
    "pipes",
    "playground",
    "relief",
    "relief_2",
    "terrace",
    "terrains",
)
_IMAGES = "images/dslr_images"
_DEPTHS = "ground_truth_depth/dslr_images"


def read_eth3d(root: Path) -> list[Entry]:
    """The pictures of the training scenes, by scene and number; depth in metres where the laser reached.

    root holds SCENE/images/dslr_images/DSC_0001.JPG and SCENE/ground_truth_depth/dslr_images/DSC_0001.JPG,
    both directly or one folder deeper, as in `multi_view_training_dslr_jpg`. A picture that only one of the
    two has is listed: reading the other raises FileError. FileError also where there is no picture at all.
    """
    entries = [entry for scene in SCENES for entry in _read_scene(root, scene)]
    place = f"{SCENES[0]}/{_IMAGES}"
    require(root, entries, place, "unpack multi_view_training_dslr_jpg.7z and every SCENE_dslr_depth.7z")
    return entries


def _read_scene(root: Path, scene: str) -> list[Entry]:
    images, depths = _part(root, scene, _IMAGES), _part(root, scene, _DEPTHS)
    names = {path.name for folder in (images, depths) for path in folder.glob("*.[jJ][pP][gG]")}
    return [
        Entry(
            f"{scene}/{Path(name).stem}",
            images / name,
            partial(dataset_depths.read_eth3d, depths / name),
            target=depths / name,
        )
        for name in sorted(names)
    ]


def _part(root: Path, scene: str, part: str) -> Path:
    below = (folder / scene / part for folder in (root, *sorted(root.glob("*"))))
    return next((folder for folder in below if folder.is_dir()), root / scene / part)
