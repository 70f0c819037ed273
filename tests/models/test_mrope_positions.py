"""Where text, tiles and regions are in time, height and width, by each policy."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import Qwen2_5_VLForConditionalGeneration

from gartk.errors import ConfigError, DataError
from gartk.models.llms.mrope_positions import mrope_positions
from gartk.structures import Batch, RegionBatch, TileGrid
from tests.support.toy_qwen import save_toy_qwen2_5_vl

IMAGE, REGIONS = 1, [8, 5, 7, 6]
Block = tuple[int, int]
WHOLE = (0.0, 0.0, 1.0, 1.0)


def grid_of(cell_hw: Block, *, rows: int = 1, cols: int = 1, thumbnail: str = "none") -> TileGrid:
    tile_hw = (cell_hw[0] * 28, cell_hw[1] * 28)
    return TileGrid((100, 100), rows, cols, tile_hw, 14, 2, thumbnail)  # type: ignore[arg-type]


def row_of(
    grid: TileGrid,
    count: int,
    token_hw: Block | None,
    *,
    wrapped: bool = True,
    tokens: int = 6,
    shift: int = 0,
) -> tuple[list[int], list[Block]]:
    """Ids of text, an image, ``count`` regions and text again, with the blocks they are (text: 1x1)."""
    blocks: list[tuple[int, Block]] = [(IMAGE, grid.cell_hw)] * grid.num_tiles
    for region in range(count):
        blocks += [(REGIONS[region], token_hw)] if token_hw else [(REGIONS[region], (1, 1))] * tokens
    ids, shapes = [30 + shift] * (1 + shift), [(1, 1)] * (1 + shift)
    for number, (token, (rows, cols)) in enumerate(blocks):
        text = 1 if wrapped and (number == 0 or number >= grid.num_tiles) else 0
        ids += [40] * text + [token] * (rows * cols)
        shapes += [(1, 1)] * text + [(rows, cols)]
    return ids + [50, 51, 52], shapes + [(1, 1)] * 3


def batch_of(
    grids: list[TileGrid], rows: list[list[int]], counts: list[int], *, side: str = "right", box: Any = WHOLE
) -> Batch:
    length = max(len(row) for row in rows)
    ids, mask = torch.zeros(2, len(rows), length, dtype=torch.int64)
    for number, row in enumerate(rows):
        start = length - len(row) if side == "left" else 0
        ids[number, start : start + len(row)] = torch.tensor(row)
        mask[number, start : start + len(row)] = 1
    total = sum(counts)
    regions = RegionBatch(
        torch.tensor([box] * total, dtype=torch.float32).reshape(-1, 4),
        torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(counts)),
        torch.tensor([i for count in counts for i in range(count)], dtype=torch.int64),
        [],
        [],
    )
    return Batch([], grids, regions, ids, torch.full_like(ids, -100), mask)


def positions_of(batch: Batch, token_hw: Block | None, policy: str = "virtual_image") -> Tensor:
    return mrope_positions(batch, image_id=IMAGE, region_ids=REGIONS, token_hw=token_hw, policy=policy)


def walk(shapes: list[Block]) -> Tensor:
    """The rule, block by block: (3, L)."""
    places, at = [], 0
    for rows, cols in shapes:
        places += [(at, at + row, at + col) for row in range(rows) for col in range(cols)]
        at += max(rows, cols)
    return torch.tensor(places).T


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Qwen2_5_VLForConditionalGeneration:
    return save_toy_qwen2_5_vl(tmp_path_factory.mktemp("rope"))


CELLS = st.tuples(st.integers(1, 7), st.integers(1, 7))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(CELLS, st.integers(0, 4)), min_size=1, max_size=3),
    CELLS,
    st.sampled_from(["left", "right"]),
)
def test_virtual_images_are_where_transformers_puts_images_of_their_size(
    theirs: Qwen2_5_VLForConditionalGeneration, samples: list[tuple[Block, int]], token_hw: Block, side: str
) -> None:
    grids = [grid_of(cell_hw) for cell_hw, _ in samples]
    counts = [count for _, count in samples]
    rows = [row_of(g, n, token_hw, shift=i)[0] for i, (g, n) in enumerate(zip(grids, counts, strict=True))]
    batch = batch_of(grids, rows, counts, side=side)
    is_image = torch.isin(batch.input_ids, torch.tensor([IMAGE, *REGIONS]))
    sizes = [
        hw for grid, count in zip(grids, counts, strict=True) for hw in [grid.cell_hw] + [token_hw] * count
    ]
    wanted, _ = theirs.model.get_rope_index(
        batch.input_ids,
        is_image.int(),
        image_grid_thw=torch.tensor([[1, 2 * height, 2 * width] for height, width in sizes]),
        attention_mask=batch.attention_mask,
    )
    found = positions_of(batch, token_hw)
    assert found.dtype == torch.int64
    assert torch.equal(found, wanted)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(CELLS, st.integers(0, 4), CELLS, st.sampled_from(["first", "last", "none"]), st.integers(1, 3))
def test_tiles_and_regions_are_blocks_also_where_they_touch(
    cell_hw: Block, count: int, token_hw: Block, thumbnail: str, cols: int
) -> None:
    grid = grid_of(cell_hw, rows=2, cols=cols, thumbnail=thumbnail)
    ids, shapes = row_of(grid, count, token_hw, wrapped=False)
    found = positions_of(batch_of([grid], [ids], [count]), token_hw)
    assert torch.equal(found[:, 0], walk(shapes))


@pytest.mark.parametrize(("policy", "token_hw"), [("sequential", (2, 3)), ("virtual_image", None)])
def test_local_tokens_that_form_no_picture_count_as_text(policy: str, token_hw: Block | None) -> None:
    grid = grid_of((3, 2))
    ids, shapes = row_of(grid, 2, None, tokens=6)
    found = positions_of(batch_of([grid], [ids], [2]), token_hw, policy)
    assert torch.equal(found[:, 0], walk(shapes))


def test_plain_text_counts_its_unpadded_tokens() -> None:
    none: list[Any] = []
    batch = batch_of(none, [[30] * 5, [30] * 3], [0, 0], side="left")
    found = positions_of(batch, (2, 2))
    assert found[0].tolist() == [[0, 1, 2, 3, 4], [0, 0, 0, 1, 2]]
    assert torch.equal(found, found[:1].expand(3, -1, -1))


@pytest.mark.parametrize("thumbnail", ["none", "first", "last"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_from_their_source_the_cells_of_the_whole_image_have_the_image_s_positions(
    thumbnail: str, side: str
) -> None:
    tiles = 1 if thumbnail == "none" else 2
    grid = grid_of((3, 4), cols=tiles, thumbnail=thumbnail)
    ids, _ = row_of(grid, 2, (3, 4), wrapped=False)
    batch = batch_of([grid, grid], [ids, ids + [53] * 4], [2, 2], side=side)
    found = positions_of(batch, (3, 4), "source")
    assert found.dtype == torch.float32
    whole = {"none": 0, "first": 0, "last": 2}[thumbnail] * 12
    for row in range(2):
        image = found[:, row][:, batch.input_ids[row] == IMAGE][:, whole : whole + 12]
        for token in REGIONS[:2]:
            assert torch.equal(found[:, row][:, batch.input_ids[row] == token], image)


def test_from_their_source_local_tokens_are_inside_their_box_and_text_goes_on_from_before_them() -> None:
    grid = grid_of((4, 6))
    ids, _ = row_of(grid, 1, (2, 2), wrapped=False)
    found = positions_of(batch_of([grid], [ids], [1], box=(0.5, 0.25, 1.0, 0.75)), (2, 2), "source")[:, 0]
    # The image starts at 1. Rows 1 to 3 and columns 3 to 6 of its cells, quartered: middles less a half.
    assert found[0, 25:29].tolist() == [1, 1, 1, 1]
    assert found[1, 25:29].tolist() == [2.0, 2.0, 3.0, 3.0]
    assert found[2, 25:29].tolist() == [4.25, 5.75, 4.25, 5.75]
    assert found[:, 29:].tolist() == [[7, 8, 9]] * 3


def test_regions_are_found_by_their_prompt_numbers_and_not_by_their_order() -> None:
    grid = grid_of((4, 4))
    ids, _ = row_of(grid, 2, (1, 1), wrapped=False)
    batch = batch_of([grid], [ids], [2])
    batch.regions.boxes_norm = torch.tensor([[0.0, 0.0, 0.25, 0.25], [0.75, 0.75, 1.0, 1.0]])
    assert positions_of(batch, (1, 1), "source")[:, 0, 17:19].tolist() == [[1, 1], [1, 4], [1, 4]]
    batch.input_ids[0, 17:19] = batch.input_ids[0, 17:19].flip(0)
    assert positions_of(batch, (1, 1), "source")[:, 0, 17:19].tolist() == [[1, 1], [4, 1], [4, 1]]


@pytest.mark.parametrize(
    ("grid", "drop_image", "text"),
    [
        (grid_of((2, 2), cols=2), False, r"row 1 of the batch has 1x2 tiles and no thumbnail"),
        (grid_of((2, 2)), True, r"row 1 of the batch has no image tokens.*virtual_image"),
    ],
)
def test_regions_without_a_picture_of_the_whole_image_have_no_source(
    grid: TileGrid, drop_image: bool, text: str
) -> None:
    plain, _ = row_of(grid, 0, (1, 1))
    ids, _ = row_of(grid, 1, (1, 1))
    if drop_image:
        plain, ids = ([token for token in row if token != IMAGE] for row in (plain, ids))
    with pytest.raises(ConfigError, match=text):
        positions_of(batch_of([grid, grid], [plain, ids], [0, 1]), (1, 1), "source")


def test_placeholders_that_form_no_picture_of_the_extractor_s_size_are_a_config_error() -> None:
    grid = grid_of((2, 2))
    ids, _ = row_of(grid, 1, (2, 3))
    with pytest.raises(ConfigError, match=r"Row 0 .* 6 placeholders.*no pictures of 2x2.*token_hw"):
        positions_of(batch_of([grid], [ids], [1]), (2, 2))


@pytest.mark.parametrize("side", ["left", "right"])
def test_images_of_one_row_and_regions_on_them_are_where_transformers_puts_images(
    theirs: Qwen2_5_VLForConditionalGeneration, side: str
) -> None:
    """Row 0: images of 2x3 and 4x1 cells and a region on both; row 1: an image of 3x3 and a region."""
    grids = [grid_of((2, 3)), grid_of((4, 1)), grid_of((3, 3))]
    two = [30, IMAGE, *[IMAGE] * 5, 40, *[IMAGE] * 4, 41, *[REGIONS[0]] * 4, 42, *[REGIONS[0]] * 4, 50]
    one = [31, 32, *[IMAGE] * 9, 40, *[REGIONS[0]] * 4, 51]
    batch = batch_of(grids, [two, one], [0, 0], side=side)
    batch.image_rows = torch.tensor([0, 0, 1])
    sizes = [(2, 3), (4, 1), (2, 2), (2, 2), (3, 3), (2, 2)]
    wanted, _ = theirs.model.get_rope_index(
        batch.input_ids,
        torch.isin(batch.input_ids, torch.tensor([IMAGE, *REGIONS])).int(),
        image_grid_thw=torch.tensor([[1, 2 * height, 2 * width] for height, width in sizes]),
        attention_mask=batch.attention_mask,
    )
    assert torch.equal(positions_of(batch, (2, 2)), wanted)


def test_from_their_source_local_tokens_are_in_the_image_that_they_are_of() -> None:
    grids = [grid_of((2, 3)), grid_of((3, 2))]
    ids = [30, *[IMAGE] * 6, 40, *[IMAGE] * 6, 41, *[REGIONS[0]] * 6, *[REGIONS[0]] * 6, 50]
    batch = batch_of(grids, [ids], [0])
    batch.image_rows = torch.tensor([0, 0])
    pairs = torch.tensor([[0, 1], [0, 0]])
    batch.regions = RegionBatch(torch.tensor([WHOLE, WHOLE]), *pairs, [], [])
    found = positions_of(batch, (2, 3), "source")[:, 0]
    assert torch.equal(found[:, 15:21], found[:, 1:7])
    assert found[0, 21:27].tolist() == found[0, 8:14].tolist()
    assert found[:, 21:27].amax(1).tolist() == pytest.approx(found[:, 8:14].amax(1).tolist(), abs=0.5)


def test_images_that_do_not_fill_their_tokens_are_a_data_error() -> None:
    batch = batch_of([grid_of((2, 2))], [[30, IMAGE, IMAGE, IMAGE, 50]], [0])
    with pytest.raises(DataError, match=r"have \[3\] image tokens, their images \[4\]"):
        positions_of(batch, (2, 2))
