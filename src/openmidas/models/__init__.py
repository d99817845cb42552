"""Networks by name: presets, preprocessing, prediction."""

from openmidas.models.predictor import NetworkPredictor, Predictor, load
from openmidas.models.presets import PRESETS, Preset

__all__ = ["PRESETS", "NetworkPredictor", "Predictor", "Preset", "load"]
