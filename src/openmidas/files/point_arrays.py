"""Points as NumPy's arrays (NPZ), for programs."""

from __future__ import annotations

from typing import Any

import numpy as np

from openmidas.camera import Camera
from openmidas.files.atomic import written_beside
from openmidas.files.axes import CAMERA_AXES, UNIT
from openmidas.files.errors import FilePath
from openmidas.mesh import PointCloud


def write_npz_points(path: FilePath, cloud: PointCloud, camera: Camera | None = None) -> None:
    """Write arrays points, colours and normals, where there are any, and the words axes and unit.

    The axes are ours: x right, y down, z forward. Raises FileError.
    """
    columns = {"points": cloud.points, "colours": cloud.colours, "normals": cloud.normals}
    arrays: dict[str, Any] = {name: values for name, values in columns.items() if values is not None}
    with written_beside(path) as temporary:
        np.savez(temporary, **arrays, axes=np.array(CAMERA_AXES), unit=np.array(UNIT))
