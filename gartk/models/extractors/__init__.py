"""Region extractors: feature maps, crops and regions to local tokens."""

from gartk.models.extractors.base import RegionExtractor
from gartk.models.extractors.crop import Crop
from gartk.models.extractors.gated_cross_attention import GatedCrossAttentionCrop
from gartk.models.extractors.no_local import NoLocal
from gartk.models.extractors.roi_align_replay import RoIAlignReplay
from gartk.models.extractors.roi_pool import RoIPool
from gartk.models.extractors.views import Views

__all__ = [
    "Crop",
    "GatedCrossAttentionCrop",
    "NoLocal",
    "RegionExtractor",
    "RoIAlignReplay",
    "RoIPool",
    "Views",
]
