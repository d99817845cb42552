"""Networks by name: presets, preprocessing, prediction."""

from openmidas.models.predictor import OnnxPredictor, Predictor, load
from openmidas.models.presets import PRESETS, Preset

__all__ = ["PRESETS", "OnnxPredictor", "Predictor", "Preset", "load"]
