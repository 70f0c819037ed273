"""Collation of encoded samples into one batch, without padding tiles or regions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

import torch

from gartk.data.crops import join_crops
from gartk.data.prompting import IGNORE
from gartk.errors import DataError
from gartk.structures import Batch, RegionBatch

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import Crops, EncodedSample


def collate(
    samples: Sequence[EncodedSample], *, pad_id: int, pad_side: Literal["left", "right"] = "right"
) -> Batch:
    """Join samples of any tile and region counts into one batch.

    Shapes: images and pairs of a region and an image become flat, and tiles stay apart by image; ids,
    labels and attention mask are padded to the longest row, on the right for training, on the left for
    generation.
    Raises: DataError for an empty list, or samples some of which have crops and some not.
    """
    if not samples:
        raise DataError("Cannot collate an empty list of samples.")
    length = max(len(sample.input_ids) for sample in samples)
    ones = [torch.ones_like(sample.input_ids) for sample in samples]
    return Batch(
        pixels=[pixels for sample in samples for pixels in sample.pixels],
        grids=[grid for sample in samples for grid in sample.grids],
        regions=_join_regions(samples),
        input_ids=_pad([s.input_ids for s in samples], length, pad_id, pad_side),
        labels=_pad([s.labels for s in samples], length, IGNORE, pad_side),
        attention_mask=_pad(ones, length, 0, pad_side),
        ids=[sample.id for sample in samples],
        metas=[sample.meta for sample in samples],
        crops=_join_crops([sample.crops for sample in samples]),
        image_rows=torch.repeat_interleave(
            torch.arange(len(samples)), torch.tensor([len(sample.grids) for sample in samples])
        ),
    )


def _join_regions(samples: Sequence[EncodedSample]) -> RegionBatch:
    first = [0, *accumulate(len(sample.grids) for sample in samples)]
    return RegionBatch(
        boxes_norm=torch.cat([sample.boxes_norm for sample in samples]),
        image_index=torch.cat([s.image_index + begin for s, begin in zip(samples, first, strict=False)]),
        prompt_index=torch.cat([sample.prompt_index for sample in samples]),
        masks=[masks for sample in samples for masks in sample.region_masks],
        points=[points for sample in samples for points in sample.points],
    )


def _join_crops(parts: Sequence[Crops | None]) -> Crops | None:
    """Put the crops of all samples behind one another; None where the processor cut none."""
    crops = [part for part in parts if part is not None]
    if not crops:
        return None
    if len(crops) != len(parts):
        raise DataError("Some samples have crops and some not. Encode all with one model's processor.")
    return join_crops(crops)


def _pad(rows: list[Tensor], length: int, value: int, side: str) -> Tensor:
    out = torch.full((len(rows), length), value, dtype=torch.long)
    for index, row in enumerate(rows):
        start = length - len(row) if side == "left" else 0
        out[index, start : start + len(row)] = row
    return out
