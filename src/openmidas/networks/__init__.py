"""The networks in PyTorch: the embedded one, and the published ones from their own checkpoints."""

from openmidas.networks.loading import load
from openmidas.networks.published import PUBLISHED

__all__ = ["PUBLISHED", "load"]
