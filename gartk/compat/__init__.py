"""Everything about the authors' release: its deviations as switches, its forward pass, more prompts.

The published weights were trained and asked by code that differs from the paper, or from what one would
expect, in the ways below. Each is one switch of ``release_compat=dict(...)`` in the config of a model, off
by default; a config with it builds a ReleaseRegionVLM in place of a RegionVLM, and samples are then encoded
by a ReleaseProcessor;
``gartk.load`` switches on what belongs to the release's weights (``AS_RELEASED``: all but last_mask_box), and
``gartk.load(..., release_compat=dict(double_scaled_roi=False))`` changes single ones. They are saved with a
checkpoint. Mask prompts as one union, too, are as released: ``MaskPrompt(mode="union")``, the default.

Figures are of ``bench/bench_compat.py``: geometry on the 1,181 masks of GAR-Bench, and 300 open questions of
RegionWorld to the shipped tiny model, which was trained without any deviation and answers 96.7 % right.
They tell how far a model is from its training when a switch is set otherwise than it was trained with, not
which is better: a model that was trained with a deviation needs it.

``double_scaled_roi``
    A box is scaled to cells of the feature map, and then by RoIAlign once more by 1/28, the pixels of a
    cell. The replayed tokens read the map's upper left corner, whatever the box: for the middle half of a
    4x4-tile image 9 of 4,096 cells, rows and columns 0 to 2 where 16 to 48 were meant; for the whole image
    the same 9; for the middle of a single tile 1 cell of 256, so that all 256 tokens are equal. Cosine to the
    right tokens, random features: -0.02 to 0.03. Tiny model: 45.7 % right, 54 % of the answers change.
``inclusive_box``
    A box ends where its last row and column of pixels begin, so that these are missing and a one-pixel mask
    has no area. IoU with the right box 0.976 on average, 0.836 at worst; a pixel is 0.02 to 0.21 cells. Tiny
    model: no answer changes.
``last_mask_box``
    Every region of a question gets the box of the last one. The release's evaluation does so, its training
    does not, and whether the published figures have it is unknown. On GAR-Bench 553 of the 1,181 boxes are
    replaced; IoU with the right box 0.08 on average, below 0.1 for 406. Nothing changes for a single region.
``id_map_bicubic``
    All masks are painted into one picture of ids (the first one keeps a pixel), which is resized like a
    photo, bicubic with antialiasing; ids are cut off at the number of prompts, and everything but that is
    the union. Edges swell: the union grows by 2.9 % on average (median 1.8 %, at most 26 %), and as many
    patches as 3.7 % of those it touches change. Tiny model: nothing changes, since RegionWorld's pictures
    are not resized.
``double_bos``
    A question starts with two begin tokens, since the rendered chat template has one and the tokenizer adds
    another; training has one. Every position moves by one. Tiny model: no answer
    changes.
``release_wording``
    A single region whose question names no prompt is called ``<Prompt1>`` (the release's training also takes
    other numbers). Its introduction has no blank before the line break when it is asked, has one in training,
    and no line break stands before the question; ``describe`` asks "Describe this masked region in detail."
    One that a question names is worded as several are. Several regions
    are worded as by default, but the two line breaks before the question are tokenized together. In
    questions and answers a single region is ``<Prompt0>`` all the same.
    Tiny model: 94.3 % right, 19 % change.
All but last_mask_box together leave the tiny model 38.3 % right.

``forward_release`` runs ready tensors as the release's own forward and generate take them;
``extend_prompts`` lets a model name more regions than it was trained with.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gartk.compat.extend import extend_prompts
    from gartk.compat.forward import ReleaseOutput, forward_release
    from gartk.compat.region_vlm import AS_RELEASED, ReleaseRegionVLM
    from gartk.compat.switches import ReleaseCompat
    from gartk.models.llms.extension import PromptExtension

__all__ = [
    "AS_RELEASED",
    "PromptExtension",
    "ReleaseCompat",
    "ReleaseOutput",
    "ReleaseRegionVLM",
    "extend_prompts",
    "forward_release",
]

# The switches are read by data workers that need nothing else of this package.
_LAZY = {
    "AS_RELEASED": "gartk.compat.region_vlm",
    "PromptExtension": "gartk.models.llms.extension",
    "ReleaseCompat": "gartk.compat.switches",
    "ReleaseOutput": "gartk.compat.forward",
    "ReleaseRegionVLM": "gartk.compat.region_vlm",
    "extend_prompts": "gartk.compat.extend",
    "forward_release": "gartk.compat.forward",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module 'gartk.compat' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value
