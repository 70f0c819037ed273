"""A gartk plugin: mask-weighted replay of region features."""

from __future__ import annotations


def register() -> None:
    """Register the extractor as ``masked_pool.MaskedReplay``; gartk calls this when it loads plugins."""
    from gartk.registry import REGION_EXTRACTORS
    from gartk_masked_pool.extractor import MaskedReplay

    REGION_EXTRACTORS.register(MaskedReplay, name="masked_pool.MaskedReplay")
