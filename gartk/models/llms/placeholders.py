"""Where the placeholders of regions stand in the text of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from gartk.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import RegionBatch


def region_places(
    input_ids: Tensor,
    region_ids: Sequence[int],
    regions: RegionBatch,
    *,
    tokens_per_region: int,
    image_rows: Tensor,
) -> Tensor:
    """Find the flat positions of all local tokens, pair by pair of a region and an image.

    Shapes: input_ids (B, L); returns (K * tokens_per_region,) int64 into B * L.
    Raises: DataError if a region's placeholders are missing, too many, or of no region.
    """
    number, rows = regions.prompt_index, image_rows[regions.image_index]
    beyond = (number >= len(region_ids)).nonzero()[:, 0]
    if len(beyond):
        raise DataError(
            f"Row {int(rows[beyond[0]])} of the batch has region"
            f" {int(number[beyond[0]])}, but there are placeholders for only"
            f" {len(region_ids)} regions."
        )
    ids = torch.as_tensor(region_ids, device=input_ids.device)
    flat = input_ids.flatten()
    found = torch.isin(flat, ids).nonzero()[:, 0]
    order = torch.argsort(ids)
    prompt = order[torch.searchsorted(ids[order], flat[found])]
    row = found // input_ids.shape[1]
    slots = len(ids)
    have = torch.bincount(row * slots + prompt, minlength=len(input_ids) * slots)
    slot = rows * slots + number
    want = torch.bincount(slot, minlength=len(have)) * tokens_per_region
    if not torch.equal(have, want):
        wrong = int((have != want).nonzero()[0, 0])
        raise DataError(
            f"Row {wrong // slots} of the batch has {int(have[wrong])} placeholders for"
            f" <Prompt{wrong % slots}>, but the extractor gives {int(want[wrong])} tokens for it."
            " Encode samples with the processor of this model (model.make_processor())."
        )
    blocks = found[torch.argsort(row * slots + prompt, stable=True)].view(len(regions), tokens_per_region)
    place = torch.argsort(torch.argsort(slot * max(1, len(image_rows)) + regions.image_index))
    return blocks[place].flatten()
