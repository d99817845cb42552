"""The shapes and types in the signatures of these parts of the package are checked in every test.

Not those of DepthMap and Encoding, which check themselves and whose tests give them wrong ones on purpose,
and not those of networks and training, as PyTorch exports the very functions that the checks would wrap.
"""

from __future__ import annotations

from hypothesis import settings
from jaxtyping import install_import_hook

CHECKED = ("evaluation", "files", "models", "cli")

install_import_hook([f"openmidas.{name}" for name in CHECKED], "shape_checks.checked")

# the same examples in every run: a new one is looked for at the desk, not found by whoever builds the package
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
