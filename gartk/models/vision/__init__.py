"""Vision backbones: images to tiles, tiles to projected-ready patch features."""

from gartk.models.vision.base import VisionBackbone
from gartk.models.vision.perception_lm import PerceptionLMVision

__all__ = ["PerceptionLMVision", "VisionBackbone"]
