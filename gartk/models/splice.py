"""Putting visual tokens at their placeholders in the embedded text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from gartk.errors import DataError
from gartk.models.llms.placeholders import region_places

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import RegionBatch


def splice(
    embeddings: Tensor,
    input_ids: Tensor,
    *,
    image_tokens: Sequence[Tensor],
    image_rows: Tensor,
    image_id: int,
    region_tokens: Tensor,
    region_ids: Sequence[int],
    regions: RegionBatch,
) -> Tensor:
    """Replace image and region placeholders by their tokens, in one copy of the embeddings.

    The images of a row go to its placeholders in their order. The tokens of region i go to the places that
    hold ``region_ids[i]``, those of several images in the images' order; neither the order of the blocks in
    the text nor that of the regions in the batch matters. Works for rows padded on either side.

    Shapes: embeddings (B, L, D); input_ids (B, L); image_tokens I tensors (L_i, D), none where the model
    reads no image tokens; image_rows (I,), ascending, the row of each image of the batch; region_tokens
    (K, T, D); returns (B, L, D).
    Raises: DataError naming the row whose placeholders do not match its tokens.
    """
    width = embeddings.shape[-1]
    image_at = (input_ids == image_id).flatten().nonzero()[:, 0]
    tokens_of_rows = [0] * len(input_ids)
    for row, tokens in zip(image_rows.tolist(), image_tokens, strict=False):
        tokens_of_rows[row] += len(tokens)
    _check_counts(
        torch.bincount(image_at // input_ids.shape[1], minlength=len(input_ids)).tolist(),
        tokens_of_rows,
        "image placeholders",
    )
    region_at = region_places(
        input_ids, region_ids, regions, tokens_per_region=region_tokens.shape[1], image_rows=image_rows
    )
    places = torch.cat([image_at, region_at])
    parts = [*image_tokens, region_tokens.reshape(-1, width)]
    values = torch.cat([part.to(embeddings) for part in parts])
    return embeddings.reshape(-1, width).index_copy(0, places, values).view_as(embeddings)


def _check_counts(have: list[int], want: list[int], what: str) -> None:
    for row, (placeholders, tokens) in enumerate(zip(have, want, strict=True)):
        if placeholders != tokens:
            raise DataError(
                f"Row {row} of the batch has {placeholders} {what}, but {tokens} tokens to put there."
                " Encode samples with the processor of this model (model.make_processor())."
            )
