"""Positions of text, tiles and regions in time, height and width, as Qwen2.5-VL counts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from gartk.errors import ConfigError, DataError
from gartk.geometry import box_norm_to_cells
from gartk.models.llms.placeholders import region_places

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import Batch

POLICIES = ("virtual_image", "sequential", "source")


class _Tokens(NamedTuple):
    """What every token is.

    Shapes: all (B, L). ``place`` is the number of a token within its block of ``cols`` columns; text is
    a block of one token. ``step`` is how far the block moves what comes after it on.
    """

    real: Tensor
    image: Tensor
    region: Tensor
    place: Tensor
    cols: Tensor
    step: Tensor


def mrope_positions(
    batch: Batch,
    *,
    image_id: int,
    region_ids: Sequence[int],
    token_hw: tuple[int, int] | None = None,
    policy: str = "virtual_image",
) -> Tensor:
    """Return the time, row and column of every token.

    A block of R rows and C columns that starts at p has time p, rows p to p + R - 1 and columns p to
    p + C - 1; what follows starts at p + max(R, C). Text is a block of one, each tile of the image is a
    block, and so are the local tokens of a region under "virtual_image". Under "source" they take their
    places from the image, and what follows starts at p. Blocks may touch; padding is at 0.

    Shapes: returns (3, B, L) int64, or float32 under "source".
    Raises: ConfigError if the placeholders of regions are no blocks of ``token_hw``, or if "source" finds
    no tile that shows the whole image.
    Source: get_rope_index of Qwen2.5-VL in transformers; compared with it in the tests.
    """
    blocks = token_hw if policy != "sequential" else None
    tokens = _read_tokens(batch, image_id, region_ids, blocks, moves_on=policy != "source")
    # Only the first token of a block moves on, and it moves all tokens of the block by the same.
    start = ((tokens.place == 0) * tokens.step * tokens.real).cumsum(1) - tokens.step
    axes = [start, start + tokens.place // tokens.cols, start + tokens.place % tokens.cols]
    positions = torch.stack(axes)
    if policy == "source":
        positions = positions.float()
        if blocks is not None and len(batch.regions):
            source = _source_positions(batch, tokens, start, region_ids, blocks)
            positions = torch.where(tokens.region, source, positions)
    return positions * tokens.real


def _read_tokens(
    batch: Batch,
    image_id: int,
    region_ids: Sequence[int],
    token_hw: tuple[int, int] | None,
    *,
    moves_on: bool,
) -> _Tokens:
    ids = batch.input_ids
    real = batch.attention_mask.bool()
    image = (ids == image_id) & real
    place, cols, step = torch.zeros_like(ids), torch.ones_like(ids), torch.ones_like(ids)
    if bool(image.any()):
        rows_cols = _cells_of_image_tokens(batch, image)
        rank, cell_h, cell_w = rows_cols.to(ids.device).unbind(1)
        place = place.masked_scatter(image, rank % (cell_h * cell_w))
        cols = cols.masked_scatter(image, cell_w)
        step = step.masked_scatter(image, torch.maximum(cell_h, cell_w))
    region = torch.zeros_like(real)
    if token_hw is not None:
        rows, columns = token_hw
        region = torch.isin(ids, torch.as_tensor(region_ids, device=ids.device)) & real
        _check_blocks(region, token_hw)
        place = torch.where(region, (region.cumsum(1) - 1) % (rows * columns), place)
        cols = torch.where(region, columns, cols)
        step = torch.where(region, max(rows, columns) if moves_on else 0, step)
    return _Tokens(real, image, region, place, cols, step)


def _cells_of_image_tokens(batch: Batch, image: Tensor) -> Tensor:
    """For every image token, row by row: its number in its image, and a tile's rows and columns of cells.

    Shapes: image (B, L) bool, the tokens of images; returns (n, 3).
    Raises: DataError if a row has another number of image tokens than its images have cells.
    """
    wanted = [0] * len(image)
    for row, grid in zip(batch.image_rows.tolist(), batch.grids, strict=True):
        wanted[row] += grid.num_tokens
    if (have := image.sum(1).tolist()) != wanted:
        raise DataError(f"The rows of the batch have {have} image tokens, their images {wanted}.")
    parts = [torch.tensor([(i, *grid.cell_hw) for i in range(grid.num_tokens)]) for grid in batch.grids]
    return torch.cat([part for part in parts if len(part)])


def _check_blocks(region: Tensor, token_hw: tuple[int, int]) -> None:
    counts = region.sum(1)
    rest = counts % (token_hw[0] * token_hw[1])
    if bool(rest.any()):
        row = int(rest.nonzero()[0, 0])
        raise ConfigError(
            f"Row {row} of the batch has {int(counts[row])} placeholders of regions, which are no pictures of"
            f" {token_hw[0]}x{token_hw[1]} tokens. Does the extractor's token_hw fit its num_tokens?"
        )


def _source_positions(
    batch: Batch, tokens: _Tokens, start: Tensor, region_ids: Sequence[int], token_hw: tuple[int, int]
) -> Tensor:
    """Place the local tokens of regions in the block of the image: (3, B, L) float32, elsewhere anything.

    The middle of cell i is at position i of the block, so the cells of the whole image replayed one by
    one have the positions of the image's own.
    """
    regions = batch.regions
    # The tokens of a crop show the crop, which may be larger than its region.
    shown = regions.boxes_norm if batch.crops is None else batch.crops.in_image_norm
    cells = torch.tensor([grid.cell_hw for grid in batch.grids], device=start.device)
    boxes = box_norm_to_cells(shown.float(), cells[regions.image_index])
    origins = _whole_image_starts(batch, tokens, start).float()[regions.image_index]
    places = region_places(
        batch.input_ids,
        region_ids,
        regions,
        tokens_per_region=token_hw[0] * token_hw[1],
        image_rows=batch.image_rows,
    )
    number = torch.zeros_like(start).flatten()
    number[places] = torch.arange(len(regions), device=start.device).repeat_interleave(
        token_hw[0] * token_hw[1]
    )
    number = number.view_as(start)
    x0, y0, x1, y1 = boxes[number].unbind(-1)
    origin = origins[number]
    down = (tokens.place // tokens.cols + 0.5) / token_hw[0]
    across = (tokens.place % tokens.cols + 0.5) / token_hw[1]
    rows = origin + y0 + down * (y1 - y0) - 0.5
    columns = origin + x0 + across * (x1 - x0) - 0.5
    return torch.stack([origin, rows, columns])


def _whole_image_starts(batch: Batch, tokens: _Tokens, start: Tensor) -> Tensor:
    """Where the block of each whole image starts: (I,); images without regions do not count."""
    wanted = set(batch.regions.image_index.tolist())
    rows = batch.image_rows.tolist()
    if not bool(tokens.image.any()):
        raise ConfigError(
            f"position_policy 'source' places regions in the image, but row {rows[min(wanted)]} of the batch"
            " has no image tokens. Use 'virtual_image' with use_global=False."
        )
    places, begin = [], 0
    for number, grid in enumerate(batch.grids):
        if number in wanted and grid.thumbnail == "none" and grid.num_tiles > 1:
            raise ConfigError(
                "position_policy 'source' places regions in a picture of the whole image, but row"
                f" {rows[number]} of the batch has {grid.rows}x{grid.cols} tiles and no thumbnail."
                " Use 'virtual_image', or a tower that reads images whole."
            )
        tile = grid.num_tiles - 1 if grid.thumbnail == "last" else 0
        places.append(begin + tile * grid.cell_hw[0] * grid.cell_hw[1])
        begin += grid.num_tokens
    return start[tokens.image][torch.tensor(places, device=start.device)]
