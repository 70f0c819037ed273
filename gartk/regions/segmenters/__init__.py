"""Segmenters: from a point or a scribble to a mask.

``GrabCutSegmenter`` works offline and is rough; ``SamSegmenter`` and ``Sam2Segmenter`` need
downloaded weights and are one config name away. Importing this package registers them in
SEGMENTERS; OpenCV, torch and transformers are imported when a segmenter is first used.
"""

from __future__ import annotations

from gartk.regions.segmenters.base import Segmenter, build_segmenter, default_segmenter
from gartk.regions.segmenters.grabcut import GrabCutSegmenter
from gartk.regions.segmenters.sam import SamSegmenter
from gartk.regions.segmenters.sam2 import Sam2Segmenter

__all__ = [
    "GrabCutSegmenter",
    "Sam2Segmenter",
    "SamSegmenter",
    "Segmenter",
    "build_segmenter",
    "default_segmenter",
]
