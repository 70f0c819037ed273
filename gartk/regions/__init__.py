"""Regions of an image: the class, the forms they are given in, masks, images and segmenters."""

from __future__ import annotations

from gartk.regions.region import Box, Region, RegionKind, RegionWarning, parse_regions

__all__ = ["Box", "Region", "RegionKind", "RegionWarning", "parse_regions"]
