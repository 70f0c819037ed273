"""Positions of text, tiles and regions in time, height and width, as Qwen2.5-VL counts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from gartk.errors import ConfigError
from gartk.geometry import box_norm_to_cells

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
    image_rank: Tensor
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
    """Give every token its time, row and column.

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
    cells = torch.ones(len(ids), 2, dtype=torch.int64)
    if batch.grids:
        cells = torch.tensor([grid.cell_hw for grid in batch.grids])
    cell_h, cell_w = cells.to(ids.device)[:, :, None].unbind(1)
    image_rank = image.cumsum(1) - 1
    one = torch.ones_like(ids)
    place = torch.where(image, image_rank % (cell_h * cell_w), 0)
    cols = torch.where(image, cell_w, one)
    step = torch.where(image, torch.maximum(cell_h, cell_w), one)
    region = torch.zeros_like(real)
    if token_hw is not None:
        rows, columns = token_hw
        region = torch.isin(ids, torch.as_tensor(region_ids, device=ids.device)) & real
        _check_blocks(region, token_hw)
        place = torch.where(region, (region.cumsum(1) - 1) % (rows * columns), place)
        cols = torch.where(region, columns, cols)
        step = torch.where(region, max(rows, columns) if moves_on else 0, step)
    return _Tokens(real, image, region, image_rank, place, cols, step)


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
    origin = _whole_image_starts(batch, tokens, start).float()[:, None]
    ids = torch.as_tensor(region_ids, device=start.device)
    order = torch.argsort(ids)
    number = order[torch.searchsorted(ids[order], batch.input_ids).clamp(max=len(ids) - 1)]
    cells = torch.tensor([grid.cell_hw for grid in batch.grids], device=start.device)
    boxes = torch.zeros(len(start), len(ids), 4, device=start.device)
    boxes[regions.image_index, regions.prompt_index] = box_norm_to_cells(
        shown.float(), cells[regions.image_index]
    )
    own = boxes[torch.arange(len(start), device=start.device)[:, None], number]
    x0, y0, x1, y1 = own.unbind(-1)
    down = (tokens.place // tokens.cols + 0.5) / token_hw[0]
    across = (tokens.place % tokens.cols + 0.5) / token_hw[1]
    rows = origin + y0 + down * (y1 - y0) - 0.5
    columns = origin + x0 + across * (x1 - x0) - 0.5
    return torch.stack([origin.expand_as(rows), rows, columns])


def _whole_image_starts(batch: Batch, tokens: _Tokens, start: Tensor) -> Tensor:
    """Where the block of the whole image starts in every row: (B,); rows without regions do not count."""
    wanted = set(batch.regions.image_index.tolist())
    tile = []
    for row, grid in enumerate(batch.grids):
        if row in wanted and grid.thumbnail == "none" and grid.num_tiles > 1:
            raise ConfigError(
                "position_policy 'source' places regions in a picture of the whole image, but row"
                f" {row} of the batch has {grid.rows}x{grid.cols} tiles and no thumbnail."
                " Use 'virtual_image', or a tower that reads images whole."
            )
        tile.append(grid.num_tiles - 1 if grid.thumbnail == "last" else 0)
    sizes = [grid.cell_hw[0] * grid.cell_hw[1] for grid in batch.grids]
    rank = torch.tensor([t * size for t, size in zip(tile, sizes, strict=True)], device=start.device)
    first = tokens.image & (tokens.image_rank == rank[:, None])
    missing = [row for row in sorted(wanted) if not bool(first[row].any())]
    if missing:
        raise ConfigError(
            f"position_policy 'source' places regions in the image, but row {missing[0]} of the batch has no"
            " image tokens. Use 'virtual_image' with use_global=False."
        )
    return (start * first).sum(1)
