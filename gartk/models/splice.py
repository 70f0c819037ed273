"""Putting visual tokens at their placeholders in the embedded text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from gartk.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import RegionBatch


def splice(
    embeddings: Tensor,
    input_ids: Tensor,
    *,
    image_tokens: Sequence[Tensor],
    image_id: int,
    region_tokens: Tensor,
    region_ids: Sequence[int],
    regions: RegionBatch,
) -> Tensor:
    """Replace image and region placeholders by their tokens, in one copy of the embeddings.

    The tokens of region i of a row go to the places in it that hold ``region_ids[i]``; neither the order of
    the blocks in the text nor that of the regions in the batch matters. Works for rows padded on either side.

    Shapes: embeddings (B, L, D); input_ids (B, L); image_tokens B tensors (L_b, D), empty where
    the model reads no image tokens; region_tokens (K, T, D); returns (B, L, D).
    Raises: DataError naming the row whose placeholders do not match its tokens.
    """
    width = embeddings.shape[-1]
    image_at = (input_ids == image_id).flatten().nonzero()[:, 0]
    _check_counts(
        torch.bincount(image_at // input_ids.shape[1], minlength=len(input_ids)).tolist(),
        [len(tokens) for tokens in image_tokens],
        "image placeholders",
    )
    region_at = region_places(input_ids, region_ids, regions, region_tokens.shape[1])
    places = torch.cat([image_at, region_at])
    parts = [*image_tokens, region_tokens.reshape(-1, width)]
    values = torch.cat([part.to(embeddings) for part in parts])
    return embeddings.reshape(-1, width).index_copy(0, places, values).view_as(embeddings)


def region_places(
    input_ids: Tensor, region_ids: Sequence[int], regions: RegionBatch, tokens_per_region: int
) -> Tensor:
    """Find the flat positions of all local tokens, region by region.

    Shapes: input_ids (B, L); returns (K * tokens_per_region,) int64 into B * L.
    Raises: DataError if a region's placeholders are missing, too many, or of no region.
    """
    number = regions.prompt_index
    beyond = (number >= len(region_ids)).nonzero()[:, 0]
    if len(beyond):
        raise DataError(
            f"Row {int(regions.image_index[beyond[0]])} of the batch has region"
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
    want = torch.zeros_like(have)
    want[regions.image_index * slots + number] = tokens_per_region
    if not torch.equal(have, want):
        wrong = int((have != want).nonzero()[0, 0])
        raise DataError(
            f"Row {wrong // slots} of the batch has {int(have[wrong])} placeholders for"
            f" <Prompt{wrong % slots}>, but the extractor gives {int(want[wrong])} tokens for it."
            " Encode samples with the processor of this model (model.make_processor())."
        )
    blocks = found[torch.argsort(row * slots + prompt, stable=True)].view(len(regions), tokens_per_region)
    place = torch.argsort(torch.argsort(regions.image_index * slots + number))
    return blocks[place].flatten()


def _check_counts(have: list[int], want: list[int], what: str) -> None:
    for row, (placeholders, tokens) in enumerate(zip(have, want, strict=True)):
        if placeholders != tokens:
            raise DataError(
                f"Row {row} of the batch has {placeholders} {what}, but {tokens} tokens to put there."
                " Encode samples with the processor of this model (model.make_processor())."
            )
