"""The shapes and types in the signatures of these parts of the package are checked in every test.

Not those of DepthMap and Encoding, which check themselves and whose tests give them wrong ones on purpose,
and not those of networks and training, as PyTorch exports the very functions that the checks would wrap.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import settings
from jaxtyping import install_import_hook

SCENE = Path(__file__).parent.parent / "src" / "openmidas" / "scene"
CHECKED = ("evaluation", "files", "models", "cli")
# of the scene, all but what numba compiles, and the z-buffer, whose tests give it what does not fit on purpose
UNCHECKED = ("__init__", "rasterise", "zbuffer", "fragments")
CHECKED_PARTS = tuple(f"scene.{path.stem}" for path in SCENE.glob("*.py") if path.stem not in UNCHECKED)

install_import_hook([f"openmidas.{name}" for name in (*CHECKED, *CHECKED_PARTS)], "shape_checks.checked")

# the same examples in every run: a new one is looked for at the desk, not found by whoever builds the package
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
