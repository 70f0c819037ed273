"""Vision backbones: images to tiles, tiles to projected-ready patch features."""

from gartk.models.vision.base import VisionBackbone
from gartk.models.vision.internvl import InternVLVision
from gartk.models.vision.perception_lm import PerceptionLMVision
from gartk.models.vision.qwen2_5_vl import Qwen2_5_VLVision
from gartk.models.vision.timm_vit import TimmViT

__all__ = ["InternVLVision", "PerceptionLMVision", "Qwen2_5_VLVision", "TimmViT", "VisionBackbone"]
