"""OpenMiDaS: monocular depth, whole and in the open. `openmidas.load("tiny")(image)` gives a DepthMap."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openmidas.alignment import align
    from openmidas.depth_map import Ambiguity, ConventionError, DepthMap, Quantity
    from openmidas.encoding import Encoding
    from openmidas.models import load

# ONNX Runtime's wheels of today keep a device id and a store of events for their maker, unless this is set before they
# are loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Ambiguity": "openmidas.depth_map",
    "ConventionError": "openmidas.depth_map",
    "DepthMap": "openmidas.depth_map",
    "Encoding": "openmidas.encoding",
    "Quantity": "openmidas.depth_map",
    "align": "openmidas.alignment",
    "load": "openmidas.models",
}

__all__ = [
    "Ambiguity",
    "ConventionError",
    "DepthMap",
    "Encoding",
    "Quantity",
    "__version__",
    "align",
    "load",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used, so that `import openmidas` costs next to nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'openmidas' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
