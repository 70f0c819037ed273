from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gartk.errors import DataError
from gartk.models.llms.placeholders import region_places
from gartk.models.splice import splice
from gartk.structures import RegionBatch

IMAGE, REGION = 9, [7, 5, 6]  # ids of the placeholders; those of regions are in no order


def regions_of(counts: list[int]) -> RegionBatch:
    images = [image for image, count in enumerate(counts) for _ in range(count)]
    prompts = [prompt for count in counts for prompt in range(count)]
    return RegionBatch(
        torch.zeros(len(images), 4),
        torch.tensor(images, dtype=torch.int64),
        torch.tensor(prompts, dtype=torch.int64),
        masks=[],
        points=[],
    )


def run(
    ids: list[list[int]], image_tokens: list[list[float]], region_tokens: list[list[float]], counts: list[int]
):
    """Splice numbers of width 1 into embeddings that are the negative ids."""
    input_ids = torch.tensor(ids)
    per_region = len(region_tokens[0]) if region_tokens else 2
    return splice(
        -input_ids[..., None].float(),
        input_ids,
        image_tokens=[torch.tensor(row)[:, None] for row in image_tokens],
        image_rows=torch.arange(len(ids)),
        image_id=IMAGE,
        region_tokens=torch.tensor(region_tokens).reshape(len(region_tokens), per_region, 1),
        region_ids=REGION,
        regions=regions_of(counts),
    )[..., 0].tolist()


def test_each_block_gets_its_own_tokens_in_order_and_text_stays() -> None:
    out = run([[1, 9, 9, 7, 7, 2, 5, 5, 3]], [[0.1, 0.2]], [[10, 11], [20, 21]], [2])
    assert out[0] == pytest.approx([-1, 0.1, 0.2, 10, 11, -2, 20, 21, -3])


def test_the_order_of_blocks_in_the_text_does_not_matter() -> None:
    out = run([[5, 5, 1, 6, 6, 9, 7, 7]], [[0.5]], [[10, 11], [20, 21], [30, 31]], [3])
    assert out[0] == pytest.approx([20, 21, -1, 30, 31, 0.5, 10, 11])


def test_tokens_go_by_the_number_of_their_region_not_by_its_place_in_the_batch() -> None:
    regions = regions_of([3, 1])
    shuffled = torch.tensor([1, 3, 0, 2])  # not its own inverse
    regions.image_index, regions.prompt_index = regions.image_index[shuffled], regions.prompt_index[shuffled]
    assert regions.prompt_index.tolist() == [1, 0, 0, 2]
    ids = torch.tensor([[7, 7, 5, 5, 1, 6, 6], [1, 1, 1, 1, 7, 7, 1]])
    out = splice(
        -ids[..., None].float(),
        ids,
        image_tokens=[torch.zeros(0, 1)] * 2,
        image_rows=torch.arange(2),
        image_id=IMAGE,
        region_tokens=torch.tensor([[20.0, 21], [40, 41], [10, 11], [30, 31]])[..., None],
        region_ids=REGION,
        regions=regions,
    )[..., 0]
    assert out.tolist() == [[10, 11, 20, 21, -1, 30, 31], [-1, -1, -1, -1, 40, 41, -1]]


def test_rows_of_different_lengths_padded_on_either_side() -> None:
    left = run([[0, 0, 9, 7, 7], [9, 9, 7, 7, 2]], [[0.1], [0.2, 0.3]], [[10, 11], [20, 21]], [1, 1])
    assert left == [pytest.approx([0, 0, 0.1, 10, 11]), pytest.approx([0.2, 0.3, 20, 21, -2])]
    right = run([[9, 7, 7, 0, 0], [9, 9, 7, 7, 2]], [[0.1], [0.2, 0.3]], [[10, 11], [20, 21]], [1, 1])
    assert right == [pytest.approx([0.1, 10, 11, 0, 0]), pytest.approx([0.2, 0.3, 20, 21, -2])]


def test_rows_may_have_different_numbers_of_regions() -> None:
    ids = [[7, 7, 5, 5, 1], [1, 1, 1, 1, 1], [1, 7, 7, 1, 1]]
    out = run(ids, [[], [], []], [[10, 11], [20, 21], [30, 31]], [2, 0, 1])
    assert out == [[10, 11, 20, 21, -1], [-1] * 5, [-1, 30, 31, -1, -1]]


def test_a_region_whose_block_is_split_gets_its_tokens_in_text_order() -> None:
    assert run([[7, 1, 7, 2]], [[]], [[10, 11]], [1]) == [[10, -1, 11, -2]]


def test_without_any_visual_token_the_embeddings_come_back() -> None:
    assert run([[1, 2, 3]], [[]], [], [0]) == [[-1, -2, -3]]


def test_regions_without_local_tokens_need_no_placeholders() -> None:
    embeddings = torch.randn(1, 3, 4)
    out = splice(
        embeddings,
        torch.tensor([[1, 9, 2]]),
        image_tokens=[torch.ones(1, 4)],
        image_rows=torch.arange(1),
        image_id=IMAGE,
        region_tokens=torch.zeros(2, 0, 4),
        region_ids=REGION,
        regions=regions_of([2]),
    )
    assert torch.equal(out[0, 1], torch.ones(4))
    assert torch.equal(out[0, [0, 2]], embeddings[0, [0, 2]])


@pytest.mark.parametrize(
    ("ids", "image_tokens", "counts", "text"),
    [
        (
            [[9, 7, 7], [9, 9, 7]],
            [[0.1], [0.2]],
            [1, 1],
            "Row 1 of the batch has 2 image placeholders, but 1 tokens",
        ),
        (
            [[9, 7, 7], [7, 7, 1]],
            [[0.1], [0.2]],
            [1, 1],
            "Row 1 of the batch has 0 image placeholders, but 1 tokens",
        ),
        (
            [[7, 7, 1], [7, 1, 1]],
            [[], []],
            [1, 1],
            "Row 1 of the batch has 1 placeholders for <Prompt0>, .* 2 tokens",
        ),
        (
            [[7, 7, 7], [7, 7, 1]],
            [[], []],
            [1, 1],
            "Row 0 of the batch has 3 placeholders for <Prompt0>, .* 2 tokens",
        ),
        ([[7, 7, 1], [5, 5, 1]], [[], []], [1, 1], "Row 1 of the batch has 0 placeholders for <Prompt0>"),
        (
            [[7, 7, 6], [7, 7, 1]],
            [[], []],
            [1, 1],
            "Row 0 of the batch has 1 placeholders for <Prompt2>, .* 0 tokens",
        ),
    ],
)
def test_counts_that_do_not_match_are_a_data_error_naming_the_row(
    ids: list[list[int]], image_tokens: list[list[float]], counts: list[int], text: str
) -> None:
    with pytest.raises(DataError, match=text):
        run(ids, image_tokens, [[10, 11], [20, 21]], counts)


def test_a_region_beyond_the_placeholder_tokens_is_a_data_error_not_another_rows_region() -> None:
    with pytest.raises(DataError, match="Row 0 .*region 3.* 3 "):
        region_places(
            torch.tensor([[7, 5, 6, 1], [1, 1, 1, 1]]),
            REGION,
            regions_of([4, 0]),
            tokens_per_region=1,
            image_rows=torch.arange(2),
        )


def test_the_gradient_reaches_tokens_and_text_but_no_placeholder() -> None:
    ids = torch.tensor([[1, 9, 7, 7, 2]])
    embeddings = torch.randn(1, 5, 3, requires_grad=True)
    image, region = torch.randn(1, 3, requires_grad=True), torch.randn(1, 2, 3, requires_grad=True)
    out = splice(
        embeddings,
        ids,
        image_tokens=[image],
        image_rows=torch.arange(1),
        image_id=IMAGE,
        region_tokens=region,
        region_ids=REGION,
        regions=regions_of([1]),
    )
    weights = torch.arange(15.0).reshape(1, 5, 3)
    (out * weights).sum().backward()
    assert isinstance(image.grad, Tensor)
    assert torch.equal(image.grad, weights[0, 1:2])
    assert torch.equal(region.grad, weights[:, 2:4])
    assert torch.equal(embeddings.grad, weights * torch.tensor([1.0, 0, 0, 0, 1])[None, :, None])


def test_tokens_are_cast_to_the_dtype_of_the_text() -> None:
    out = splice(
        torch.zeros(1, 2, 3, dtype=torch.bfloat16),
        torch.tensor([[9, 1]]),
        image_tokens=[torch.ones(1, 3)],
        image_rows=torch.arange(1),
        image_id=IMAGE,
        region_tokens=torch.zeros(0, 2, 3),
        region_ids=REGION,
        regions=regions_of([0]),
    )
    assert out.dtype == torch.bfloat16
    assert out[0, 0].tolist() == [1, 1, 1]


def test_two_images_of_a_row_and_a_region_on_both_go_to_their_places_in_order() -> None:
    """Row 0 has images 0 and 1; region 0 is on both, region 1 on image 1. Row 1 has image 2 alone."""
    ids = torch.tensor([[9, 9, 1, 9, 5, 5, 7, 7, 2, 7, 7], [0, 0, 0, 9, 9, 7, 7, 1, 1, 1, 1]])
    regions = RegionBatch(torch.zeros(4, 4), torch.tensor([0, 1, 1, 2]), torch.tensor([0, 0, 1, 0]), [], [])
    shuffled = torch.tensor([2, 1, 3, 0])
    regions.image_index, regions.prompt_index = regions.image_index[shuffled], regions.prompt_index[shuffled]
    own = torch.tensor([[10.0, 11], [20, 21], [30, 31], [40, 41]])[shuffled, :, None]
    out = splice(
        -ids[..., None].float(),
        ids,
        image_tokens=[torch.tensor([[0.1], [0.2]]), torch.tensor([[0.3]]), torch.tensor([[0.4], [0.5]])],
        image_rows=torch.tensor([0, 0, 1]),
        image_id=IMAGE,
        region_tokens=own,
        region_ids=REGION,
        regions=regions,
    )[..., 0]
    assert out[0].tolist() == pytest.approx([0.1, 0.2, -1, 0.3, 30, 31, 10, 11, -2, 20, 21])
    assert out[1].tolist() == pytest.approx([0, 0, 0, 0.4, 0.5, 40, 41, -1, -1, -1, -1])
