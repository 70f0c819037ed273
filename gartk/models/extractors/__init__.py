"""Region extractors: feature maps and regions to local tokens."""

from gartk.models.extractors.base import RegionExtractor
from gartk.models.extractors.no_local import NoLocal
from gartk.models.extractors.roi_align_replay import RoIAlignReplay

__all__ = ["NoLocal", "RegionExtractor", "RoIAlignReplay"]
