"""How the authors' release prepares regions: boxes, one picture of ids, names and wording.

Each function serves one switch of ``gartk.compat.ReleaseCompat``; with all of them off it gives what the
rest of gartk does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from gartk.data.prompting import PromptTemplate
from gartk.data.tiling import stretch
from gartk.errors import RegionError
from gartk.geometry import split_canvas
from gartk.regions.masks import tight_box

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.compat.switches import ReleaseCompat
    from gartk.regions import Box, Region
    from gartk.structures import ChatFormat, TileGrid

# What the release writes before a question; its single and several regions differ in blanks, and its
# training and evaluation too.
ONE_ASKED = PromptTemplate(mention="{prompt};", block_tail="", before_question="")
ONE_TRAINED = replace(ONE_ASKED, mention="{prompt}; ")
# As the default template reads, with the line breaks where the release's tokenizer sees them together.
SEVERAL = PromptTemplate(block_tail="", between_blocks="\n", before_question="\n\n")
# The prompt that a single region is called by, and the question that asks for its description.
SINGLE_PROMPT = 1
DESCRIBE_QUESTION = "Describe this masked region in detail."


def boxes_px(regions: Sequence[Region], compat: ReleaseCompat) -> list[Box]:
    """Give the box of every region.

    With ``inclusive_box`` it is the mask's, from its first to its last row and column of pixels, so that
    one pixel has no area; with ``last_mask_box`` every region has the last one's.

    Units: pixels; maximum exclusive unless ``inclusive_box``.
    """
    boxes = [_inclusive_box(region) if compat.inclusive_box else region.box_px for region in regions]
    return boxes[-1:] * len(boxes) if compat.last_mask_box else boxes


def _inclusive_box(region: Region) -> Box:
    x0, y0, x1, y1 = tight_box(region.mask)
    return float(x0), float(y0), float(x1 - 1), float(y1 - 1)


def paint_ids(masks: Sequence[np.ndarray], numbers: Sequence[int], background: int) -> np.ndarray:
    """Paint masks into one picture of ids; a pixel keeps the first id that it gets.

    Shapes: masks (H, W) bool, at least one; returns (H, W) uint8 with ``background`` outside.
    Raises: RegionError if ``background`` does not fit into a byte.
    """
    if background > 255:
        raise RegionError(
            f"id_map_bicubic paints ids as bytes, so it serves at most 255 prompts; this model has"
            f" {background}. Switch it off: release_compat=dict(id_map_bicubic=False)."
        )
    ids = np.full(masks[0].shape, background, dtype=np.uint8)
    for mask, number in zip(masks, numbers, strict=True):
        ids[mask & (ids == background)] = number
    return ids


def tile_ids(ids: np.ndarray, grid: TileGrid) -> Tensor:
    """Resize a picture of ids as if it were a photo, and cut it into tiles.

    Shapes: ids (H, W) uint8; returns (num_tiles, h, w) uint8, the thumbnail in its place.
    """
    picture = torch.from_numpy(ids)[None]
    tiles = split_canvas(stretch(picture, grid.canvas_hw), grid)[0]
    if grid.thumbnail == "none":
        return tiles
    thumbnail = stretch(picture, grid.tile_hw)
    return torch.cat([thumbnail, tiles] if grid.thumbnail == "first" else [tiles, thumbnail])


def masks_of_ids(ids: Tensor, numbers: Sequence[int], background: int) -> Tensor:
    """Split a picture of ids into masks whose union is all that is not background.

    Ids that no region has, which resizing makes at edges, go to the region with the nearest one.

    Shapes: ids (T, h, w) uint8; returns (R, T, h, w) bool.
    """
    table = torch.full((256,), -1)
    values = torch.arange(background)
    table[:background] = (values[:, None] - torch.tensor(list(numbers))).abs().argmin(1)
    owner = table[ids.long()]
    return torch.stack([owner == region for region in range(len(numbers))])


def bicubic_masks(
    masks: Sequence[np.ndarray], numbers: Sequence[int], background: int, grid: TileGrid
) -> Tensor:
    """Cut the masks of one image as the release does: painted as ids, resized as one picture, split again.

    Shapes: masks (H, W) bool; returns (R, num_tiles, h, w) bool.
    """
    if not len(masks):
        return torch.zeros((0, grid.num_tiles, *grid.tile_hw), dtype=torch.bool)
    return masks_of_ids(tile_ids(paint_ids(masks, numbers, background), grid), numbers, background)


def wording(
    num_regions: int, template: PromptTemplate, compat: ReleaseCompat, *, training: bool, named: bool
) -> tuple[PromptTemplate, list[int]]:
    """Choose the template for a sample, and the number of the prompt that names each of its regions.

    ``named`` says whether its questions name prompts: where they do, the release words a single region
    as it words several (GAR-Bench); where they do not, it asks for a description of that region.
    """
    if not compat.release_wording:
        return template, list(range(num_regions))
    if num_regions == 1 and not named:
        return (ONE_TRAINED if training else ONE_ASKED), [SINGLE_PROMPT]
    return SEVERAL, list(range(num_regions))


def opening(chat: ChatFormat, bos: str | None, compat: ReleaseCompat, *, training: bool) -> ChatFormat:
    """Give the chat markup, whose begin token ``double_bos`` writes twice outside training."""
    if training or not compat.double_bos:
        return chat
    return replace(chat, start=(bos or "") + chat.start)
