"""The sets for training whose pictures and targets are files beside each other: where they lie, what they mean."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from openmidas.depth_map import DepthMap
from openmidas.encoding import encoding_named
from openmidas.files.depths import read_depth
from openmidas.files.images import Rgb, to_rgb
from openmidas.files.picture import open_picture
from openmidas.training.datasets.entry import OrdinalPairs, Target
from openmidas.training.datasets.hdf5 import read_array
from openmidas.training.datasets.places import PairedSet, Places, Template
from openmidas.training.datasets.valid_pixels import only_valid

ORDINAL_PAIRS = 256
MEGADEPTH_SMALLEST_REGION_PX = 100
HYPERSIM_FOV_DEG = 60.0
VKITTI_SKY_M = 655.35

# Whatever stands here as metres or as disparity, its holes are 0, NaN or no positive number: encodings know that.
_read_metres = partial(read_depth, encoding=encoding_named("metres"))
_read_millimetres = partial(read_depth, encoding=encoding_named("millimetres"))
_read_scaled_depth = partial(read_depth, encoding=encoding_named("scale-invariant-depth"))
_read_scaled_disparity = partial(read_depth, encoding=encoding_named("scale-invariant-inverse-depth"))
_read_disparity = partial(read_depth, encoding=encoding_named("affine-invariant-inverse-depth"))
_read_near_dark = partial(read_depth, encoding=encoding_named("near-dark"))


def read_hrwsi_target(path: Path) -> DepthMap:
    """Disparity of any scale and shift, 0 to 255, valid where valid_masks/NAME.png is not black."""
    disparity = read_depth(path, encoding_named("near-white"))
    return only_valid(disparity, *_hrwsi_marks(path))


def _hrwsi_marks(path: Path) -> tuple[Path]:
    """The picture of what counts that belongs to HR-WSI's disparity in gts/NAME.png."""
    return (path.parents[1] / "valid_masks" / path.name,)


def read_three_channels(path: Path) -> Rgb:
    """The picture's red, green and blue as they are, whatever its fourth channel says; raises FileError."""
    with open_picture(path) as picture:
        picture.load()
        return to_rgb(picture.convert("RGB") if picture.mode == "RGBA" else picture)


def read_megadepth_target(path: Path) -> Target:
    """Depth up to scale, 0 where there is none; or, in files with negative numbers, pairs of two regions' points.

    The farthest 2 % and the nearest 1 % of a picture's depths do not count, as in its authors' evaluation. Other
    files of whole numbers alone hold labels, not depth: these give no pairs.
    """
    depth = read_array(path, "depth", (None, None))
    if depth.min() < 0 or (depth.any() and np.array_equal(depth, np.rint(depth))):
        return _ordinal_pairs(depth)
    return DepthMap.from_values(depth, "depth", "scale_invariant", _without_outliers(depth))


def read_hypersim_target(path: Path) -> DepthMap:
    """Depth in metres from the length of each pixel's ray: 60° across the width, square pixels. Holes are NaN."""
    depth = planar_depth(read_array(path, "dataset", (None, None)), HYPERSIM_FOV_DEG)
    return DepthMap.from_values(depth, "depth", "metric", np.isfinite(depth) & (depth > 0))


def read_vkitti_target(path: Path) -> DepthMap:
    """Depth in metres from centimetres; the largest number, 655.35 m, is the sky."""
    depth = read_depth(path, encoding_named("centimetres"))
    sky = depth.values >= np.float32(VKITTI_SKY_M)
    return DepthMap(
        np.where(sky, np.float32(np.inf), depth.values), depth.valid, depth.quantity, depth.ambiguity
    )


def planar_depth(distance: Float[np.ndarray, "h w"], fov_deg: float) -> Float[np.ndarray, "h w"]:
    """Depth along the optical axis of points at these distances from the camera; fov_deg spans the width."""
    height, width = distance.shape
    focal_px = width / 2 / np.tan(np.radians(fov_deg / 2))
    x, y = ((np.arange(n) + 0.5 - n / 2) / focal_px for n in (width, height))
    return np.asarray(distance / np.sqrt(1 + x**2 + y[:, None] ** 2), np.float32)


def _without_outliers(depth: np.ndarray) -> Bool[np.ndarray, "h w"]:
    """Which depths count. Source: load_MD in MegaDepth's data/image_folder.py, which cuts far ones first."""
    valid = np.isfinite(depth) & (depth > 1e-8)
    if np.count_nonzero(valid) > 10:
        valid &= depth <= np.percentile(depth[valid], 98)
        valid &= depth >= np.percentile(depth[valid], 1)
    return valid


def _ordinal_pairs(regions: np.ndarray) -> OrdinalPairs:
    """Points of the nearer region, > 0, each with one of the farther, < 0; the same ones each time.

    None where a region is too small to be trusted. Source: load_MD_ORD in MegaDepth's training code.
    """
    nearer, farther = np.argwhere(regions > 0), np.argwhere(regions < 0)
    count = ORDINAL_PAIRS if min(len(nearer), len(farther)) >= MEGADEPTH_SMALLEST_REGION_PX else 0
    rng = np.random.default_rng(0)
    first, second = (points[rng.integers(len(points), size=count)] for points in (nearer, farther))
    height, width = regions.shape
    return OrdinalPairs(first, second, np.ones(count, int), (height, width))


def _places(image: str, target: str) -> Places:
    return Places(Template(image), Template(target))


# Xian et al., Monocular Relative Depth Perception with Web Stereo Data Supervision, CVPR 2018. Near is dark; 255 is
# the sky. That the numbers are disparity, not depth, is what MiDaS's authors took them for.
REDWEB = PairedSet(
    (_places("Imgs/{name}.jpg", "RDs/{name}.png"),),
    _read_near_dark,
    "unpack ReDWeb_V1",
)

# Xian et al., Structure-Guided Ranking Loss for Single Image Depth Prediction, CVPR 2020.
HRWSI = PairedSet(
    (_places("{split:train}/imgs/{name}.jpg", "{split:train}/gts/{name}.png"),),
    read_hrwsi_target,
    "unpack HR-WSI.zip",
    _hrwsi_marks,
)

# Wang et al., Web Stereo Video Supervision for Depth Prediction from Dynamic Scenes, 3DV 2019. Published are addresses
# and times of videos: where frames and disparities lie is our choice.
WSVD = PairedSet(
    (_places("{video}/left/{name}.{suffix:png|jpg}", "{video}/disparity/{name}.pfm"),),
    _read_disparity,
    "put the left frames there, and the disparities you computed into VIDEO/disparity",
)

# Wang et al., IRS: A Large Naturalistic Indoor Robotics Stereo Dataset, ICME 2021. Disparity in pixels of a rendered
# pair, without shift; most of the set has 0.1 m between the cameras, not all, so that it is no metre. Scenes lie below
# their kind of place, or not, as somebody unpacked them.
IRS = PairedSet(
    (
        _places(
            "{place:Home|Office|Restaurant|Store}/{scene}/l_{name:[0-9]+}.png",
            "{place:Home|Office|Restaurant|Store}/{scene}/d_{name:[0-9]+}.exr",
        ),
        _places("{scene}/l_{name:[0-9]+}.png", "{scene}/d_{name:[0-9]+}.exr"),
    ),
    _read_scaled_disparity,
    "unpack the archives Home, Office, Restaurant and Store of IRS",
    read_image=read_three_channels,
)

# Cho et al., DIML/CVL RGB-D Dataset: 2M RGB-D Images of Natural Indoor and Outdoor Scenes, 2021. The sample release,
# then the full one, which has several folders of one name and frames without depth.
DIML_INDOOR = PairedSet(
    (
        _places(
            "{split:train|test}/{size:HR|LR}/{scene}/color/{name}_c.png",
            "{split:train|test}/{size:HR|LR}/{scene}/depth_filled/{name}_depth_filled.png",
        ),
        Places(Template("col/{name}_c.png"), Template("up_png/{name}_ud.png"), together=True),
    ),
    _read_millimetres,
    "unpack the indoor archives of DIML/CVL RGB-D",
)

# Li and Snavely, MegaDepth: Learning Single-View Depth Prediction from Internet Photos, CVPR 2018.
MEGADEPTH = PairedSet(
    (
        _places(
            "{place:[0-9]+}/{part:dense[0-9]+}/imgs/{name}.{suffix:jpg|JPG|png}",
            "{place:[0-9]+}/{part:dense[0-9]+}/depths/{name}.h5",
        ),
    ),
    read_megadepth_target,
    "unpack MegaDepth_v1.tar.gz",
)

# Yao et al., BlendedMVS: A Large-scale Dataset for Generalized Multi-view Stereo Networks, CVPR 2020.
BLENDEDMVS = PairedSet(
    (
        _places(
            "{scene}/blended_images/{name:[0-9]+}.jpg",
            "{scene}/rendered_depth_maps/{name:[0-9]+}.pfm",
        ),
    ),
    _read_scaled_depth,
    "unpack BlendedMVS.zip",
)

# Wang et al., TartanAir: A Dataset to Push the Limits of Visual SLAM, IROS 2020.
TARTANAIR = PairedSet(
    (
        _places(
            "{world}/{level:Easy|Hard}/{path}/image_left/{name:[0-9]+}_left.png",
            "{world}/{level:Easy|Hard}/{path}/depth_left/{name:[0-9]+}_left_depth.npy",
        ),
    ),
    _read_metres,
    "unpack image_left.zip and depth_left.zip of a world",
)

# Roberts et al., Hypersim: A Photorealistic Synthetic Dataset for Holistic Indoor Scene Understanding, ICCV 2021.
HYPERSIM = PairedSet(
    (
        _places(
            "{scene:ai_[0-9_]+}/images/scene_{camera}_final_preview/{name}.tonemap.jpg",
            "{scene:ai_[0-9_]+}/images/scene_{camera}_geometry_hdf5/{name}.depth_meters.hdf5",
        ),
    ),
    read_hypersim_target,
    "unpack a scene's archive, such as ai_001_001.zip",
)

# Cabon et al., Virtual KITTI 2, 2020.
VKITTI2 = PairedSet(
    (
        _places(
            "{scene:Scene[0-9]+}/{variation}/frames/rgb/{camera}/rgb_{name}.jpg",
            "{scene:Scene[0-9]+}/{variation}/frames/depth/{camera}/depth_{name}.png",
        ),
    ),
    read_vkitti_target,
    "unpack vkitti_2.0.3_rgb.tar and vkitti_2.0.3_depth.tar",
)
