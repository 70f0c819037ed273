"""Operators that cut regions out of feature maps, behind one interface for every backend."""

from __future__ import annotations

from gartk.ops.roi import available_backends, parity_report, roi_align, roi_pool

__all__ = ["available_backends", "parity_report", "roi_align", "roi_pool"]
