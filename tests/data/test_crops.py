"""What is cut out of an image for a region, and where the region lies on it."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gartk.data.collate import collate
from gartk.data.crops import crop_tiler, cut_crops
from gartk.data.intern_tiles import InternVLTiler
from gartk.data.native import NativeTiler
from gartk.data.processor import RegionProcessor
from gartk.data.tiling import AnyResTiler
from gartk.errors import ConfigError, DataError
from gartk.geometry import crop_box_px
from gartk.models.llms.causal_lm import add_prompt_tokens, load_tokenizer
from gartk.regions import Region
from gartk.structures import ChatFormat, CropRule, Crops, Pair, PromptTokens
from gartk.testing.toy import toy_chat, toy_sample
from gartk.tilers import Tiler

TIGHT, FOCAL = CropRule(), CropRule(context_scale=3.0, min_side_px=48.0)
TILERS = [AnyResTiler(56), InternVLTiler(56), NativeTiler(crop_px=56)]
HW = (400, 600)


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ((250, 170, 350, 230), (150, 110, 450, 290)),  # 100x60 becomes 300x180
        ((300, 200, 310, 210), (233, 133, 377, 277)),  # 10x10 is raised to 48x48 and becomes 144x144
        ((0, 0, 100, 100), (0, 0, 200, 200)),  # cut at the corner, not moved
        ((300, 200, 400, 210), (200, 133, 500, 277)),  # the sides are raised each on its own
    ],
)
def test_the_focal_crop_is_three_times_the_raised_box_cut_at_the_border(
    box: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    assert crop_box_px(box, HW, FOCAL) == wanted


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ((10, 20, 30, 50), (10, 20, 30, 50)),
        ((10.4, 20.6, 30.2, 49.5), (10, 20, 31, 50)),
        ((599.5, 399.5, 600, 400), (599, 399, 600, 400)),
        ((-20.0, 380.0, 10.0, 500.0), (0, 380, 10, 400)),
    ],
)
def test_the_tight_crop_is_the_box_in_whole_pixels_inside_the_image(
    box: tuple[float, ...], wanted: tuple[int, ...]
) -> None:
    assert crop_box_px(box, HW, TIGHT) == wanted


def scene() -> tuple[np.ndarray, list[Region]]:
    """Noise with two regions: a white box of 40x20 pixels, and a pixel at the border."""
    image = np.random.default_rng(0).integers(0, 200, (90, 130, 3), dtype=np.uint8)
    masks = np.zeros((2, 90, 130), dtype=bool)
    masks[0, 30:50, 20:60] = True
    masks[1, 89, 129] = True
    image[masks[0]] = 255
    return image, [Region.from_mask(mask) for mask in masks]


def cut(rule: CropRule, tiler: Any, image: Any = None) -> Crops:
    own, regions = scene()
    points = [torch.tensor([[40 / 130, 40 / 90, 1.0]]), torch.tensor([[129.5 / 130, 89.5 / 90, 1.0]])]
    pairs = [Pair(number, 0, region) for number, region in enumerate(regions)]
    return cut_crops([own if image is None else image], pairs, points, rule=rule, tiler=crop_tiler(tiler))


@pytest.mark.parametrize("tiler", TILERS, ids=lambda tiler: type(tiler).__name__)
def test_crops_are_cut_from_the_image_itself_and_stretched_to_one_tile(tiler: Any) -> None:
    crops = cut(FOCAL, tiler)
    image = scene()[0]
    assert crops.pixels.shape == (2, 3, 56, 56)
    assert [grid.image_hw for grid in crops.grids] == [(90, 112), (73, 73)]
    for number, part in enumerate((image[:, :112], image[17:, 57:])):
        wanted, _ = tiler.for_crops().tile_image(np.ascontiguousarray(part))
        assert torch.equal(crops.pixels[number : number + 1], wanted)


@pytest.mark.parametrize("tiler", TILERS, ids=lambda tiler: type(tiler).__name__)
def test_the_tight_crop_shows_the_region_and_nothing_else(tiler: Any) -> None:
    crops = cut(TIGHT, tiler)
    assert bool(crops.masks.all())
    assert crops.boxes_norm.tolist() == [[0.0, 0.0, 1.0, 1.0]] * 2
    assert float(crops.pixels[0].std(dim=(1, 2)).max()) < 1e-6, "white alone"


@pytest.mark.parametrize("tiler", TILERS, ids=lambda tiler: type(tiler).__name__)
def test_mask_box_and_point_lie_on_the_crop_where_the_region_does(tiler: Any) -> None:
    crops = cut(FOCAL, tiler)
    bright = crops.pixels[0].mean(0) > 0.98 * crops.pixels[0].mean(0).max()
    overlap = int((bright & crops.masks[0]).sum()) / int((bright | crops.masks[0]).sum())
    assert overlap > 0.8
    x0, y0, x1, y1 = crops.in_image_norm[0] * torch.tensor([130, 90, 130, 90])
    box = crops.boxes_norm[0] * torch.tensor([x1 - x0, y1 - y0] * 2) + torch.tensor([x0, y0] * 2)
    assert box.tolist() == pytest.approx([20, 30, 60, 50], abs=1e-3)
    x, y, label = crops.points[0][0].tolist()
    assert (x * (x1 - x0) + x0, y * (y1 - y0) + y0, label) == pytest.approx((40, 40, 1), abs=1e-3)
    assert bool(crops.masks[1].any()), "a region of one pixel does not vanish"


def test_a_picture_of_pillow_gives_the_same_crops() -> None:
    image = scene()[0]
    array, picture = cut(FOCAL, TILERS[0]), cut(FOCAL, TILERS[0], Image.fromarray(image))
    assert torch.equal(array.pixels, picture.pixels)


def test_no_regions_give_no_crops_in_the_shapes_of_some() -> None:
    crops = cut_crops([scene()[0]], [], [], rule=TIGHT, tiler=crop_tiler(TILERS[0]))
    assert crops.pixels.shape == (0, 3, 56, 56)
    assert crops.masks.shape == (0, 56, 56)
    assert len(crops) == 0


class Bare(AnyResTiler):
    """A tiler that cannot cut crops, as those of the base class."""

    for_crops = Tiler.for_crops  # type: ignore[assignment]


def test_a_tiler_that_cannot_cut_crops_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"Bare cannot cut them.*for_crops"):
        crop_tiler(Bare(56))


class TwoTiles(AnyResTiler):
    """Its tiler for crops gives a thumbnail too."""

    def for_crops(self) -> AnyResTiler:
        return AnyResTiler(56, max_num_tiles=1)


def test_a_tiler_whose_crops_are_several_tiles_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="gives 2 tiles; a crop is one tile"):
        cut(TIGHT, TwoTiles(56))


@pytest.mark.parametrize("crop_px", [0, 100, -56])
def test_a_native_crop_size_of_no_whole_cells_is_a_config_error(crop_px: int) -> None:
    with pytest.raises(ConfigError, match="crop_px must be a multiple"):
        NativeTiler(crop_px=crop_px)


# ------------------------------------------- processor and batches

TOKENS = PromptTokens(
    "<|image|>", [f"<Prompt{i}>" for i in range(8)], [f"<|region_pad_{i}|>" for i in range(8)]
)
TOKENIZER = load_tokenizer("tiny")
add_prompt_tokens(TOKENIZER, TOKENS)


def processor(**changes: Any) -> RegionProcessor:
    tiler = AnyResTiler(56, max_num_tiles=4)
    settings = {"tokens_per_region": 4, **changes}
    return RegionProcessor(tiler, TOKENIZER, TOKENS, ChatFormat(**toy_chat()), **settings)


def test_the_processor_cuts_crops_only_where_a_rule_says_how() -> None:
    sample = toy_sample((56, 112), 3)
    assert processor()(sample).crops is None
    crops = processor(crop_rule=FOCAL)(sample).crops
    assert crops is not None
    assert len(crops) == 3


def test_an_image_at_which_nobody_looks_is_not_cut_into_tiles() -> None:
    sample = toy_sample((56, 112), 2)
    full, light = (processor(crop_rule=TIGHT, tile_images=tiled)(sample) for tiled in (True, False))
    assert light.pixels[0].shape == (0, 3, 56, 56)
    assert light.region_masks[0].shape == (2, 0, 56, 56)
    assert light.grids == full.grids
    assert torch.equal(light.input_ids, full.input_ids)
    assert light.crops is not None
    assert full.crops is not None
    assert torch.equal(light.crops.pixels, full.crops.pixels)


def test_a_processor_that_cuts_crops_can_be_pickled() -> None:
    own = processor(crop_rule=FOCAL)
    sample = toy_sample((56, 112), 2)
    twin = pickle.loads(pickle.dumps(own))(sample)
    assert torch.equal(twin.crops.pixels, own(sample).crops.pixels)  # type: ignore[union-attr]


def test_crops_of_a_batch_follow_the_order_of_its_regions() -> None:
    own = processor(crop_rule=FOCAL)
    samples = [own(toy_sample((56, 112), count, seed=count)) for count in (2, 0, 3)]
    batch = collate(samples, pad_id=0)
    assert batch.crops is not None
    assert len(batch.crops) == len(batch.regions) == 5
    parts = [sample.crops.pixels for sample in samples if sample.crops is not None]
    assert torch.equal(batch.crops.pixels, torch.cat(parts))
    none = collate(samples[1:2], pad_id=0).crops
    assert none is not None
    assert len(none) == 0


def test_samples_with_and_without_crops_do_not_go_together() -> None:
    samples = [processor(crop_rule=rule)(toy_sample((56, 56), 1)) for rule in (None, TIGHT)]
    with pytest.raises(DataError, match="Some samples have crops and some not"):
        collate(samples, pad_id=0)
