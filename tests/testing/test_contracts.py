"""Every registered part keeps the contract of its kind, and each contract catches what it promises to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gartk.data.base import RegionDataset
from gartk.data.tiling import AnyResTiler
from gartk.models.extractors import RegionExtractor
from gartk.models.prompts import PromptEncoder
from gartk.regions import Region
from gartk.registry import DATASETS, PROMPT_ENCODERS, REGION_EXTRACTORS, SEGMENTERS, TILERS
from gartk.structures import RegionBatch, Sample, TileGrid, Turn
from gartk.testing.contracts import (
    ContractViolation,
    check_dataset,
    check_extractor,
    check_prompt_encoder,
    check_segmenter,
    check_tiler,
)
from tests.regions.segmenters.test_sam import _save_toy_sam, _save_toy_sam2

SMALL_TILES = {"AnyResTiler": {"tile_px": 32, "max_num_tiles": 6, "patch_px": 4, "pool": 2}}
EXTRACTOR_ARGUMENTS: dict[str, dict[str, Any]] = {"RoIAlignReplay": {"output_size": 4}}


@pytest.mark.parametrize("name", REGION_EXTRACTORS.names())
def test_registered_extractor_keeps_the_contract(name: str) -> None:
    check_extractor({"type": name, **EXTRACTOR_ARGUMENTS.get(name, {})})


@pytest.mark.parametrize("name", PROMPT_ENCODERS.names())
def test_registered_prompt_encoder_keeps_the_contract(name: str) -> None:
    check_prompt_encoder(name, footprint="mask" if name == "MaskPrompt" else None)


@pytest.mark.parametrize("name", ["MaskPrompt", "BoxPrompt", "PointPrompt"])
def test_prompt_encoder_keeps_the_contract_in_identity_mode(name: str) -> None:
    check_prompt_encoder(
        {"type": name, "mode": "identity"}, footprint="mask" if name == "MaskPrompt" else None
    )


@pytest.mark.parametrize("name", TILERS.names())
def test_registered_tiler_keeps_the_contract(name: str) -> None:
    check_tiler({"type": name, **SMALL_TILES.get(name, {})})


@pytest.mark.parametrize("name", SEGMENTERS.names())
def test_registered_segmenter_keeps_the_contract(name: str, tmp_path: Path) -> None:
    check_segmenter({"type": name, **_segmenter_arguments(name, tmp_path)})


@pytest.mark.parametrize("name", DATASETS.names())
def test_registered_dataset_keeps_the_contract(name: str, tmp_path: Path) -> None:
    check_dataset({"type": name, **_dataset_arguments(name, tmp_path)})


class FaultyExtractor(RegionExtractor):
    """A right extractor (the mean over the map, times the box's area) with one fault at a time."""

    def __init__(self, *, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.num_tokens: Any = 2.0 if fault == "num_tokens" else 2

    def forward(self, maps: list[Any], regions: RegionBatch) -> torch.Tensor:
        boxes = regions.boxes_norm
        area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))[:, None]
        if self.fault == "others" and len(regions):
            area = area / area.sum()
        if self.fault == "order":
            area = area.sort(dim=0).values
        data = torch.stack([m.data.float().mean((1, 2)) for m in maps])
        if self.fault == "gradient":
            data = data.detach() + 0 * maps[0].data.float().mean((1, 2))
        tokens = (data[regions.image_index] * area)[:, None].expand(-1, 2, -1)
        if self.fault == "shape":
            tokens = tokens[:, :1]
        if self.fault == "finite":
            tokens = tokens.log()
        if self.fault == "random":
            tokens = tokens + torch.rand(())
        if self.fault == "empty" and len(regions) == 0:
            raise IndexError("no regions")
        return tokens if self.fault == "dtype" else tokens.to(maps[0].data.dtype)


def test_contract_accepts_a_right_extractor() -> None:
    check_extractor(FaultyExtractor)


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("num_tokens", "num_tokens is an int"),
        ("shape", r"has the shape \(9, 2, 8\)"),
        ("finite", "is finite"),
        ("random", "same output"),
        ("others", "do not depend on other regions"),
        ("order", "in that order"),
        ("gradient", "gradient reaches every map"),
        ("dtype", "bf16 weights and maps give bf16 tokens"),
    ],
)
def test_contract_names_the_promise_that_an_extractor_breaks(fault: str, promise: str) -> None:
    with pytest.raises(ContractViolation, match=promise):
        check_extractor({"type": FaultyExtractor, "fault": fault})


def test_contract_lets_an_error_for_no_regions_through() -> None:
    with pytest.raises(IndexError, match="no regions"):
        check_extractor({"type": FaultyExtractor, "fault": "empty"})


class FaultyCropExtractor(RegionExtractor):
    """A right extractor of another package that needs crops (their mean cell), with one fault at a time."""

    num_tokens = 1
    token_hw = (1, 1)

    def __init__(self, *, dim: int, fault: str = "") -> None:
        super().__init__()
        self.fault, self.dim = fault, dim
        self.needs = {"crop"} if fault == "needs" else {"crops"}
        if fault == "picture":
            self.token_hw = (2, 2)

    def forward(self, maps: list[Any], regions: RegionBatch, views: Any) -> torch.Tensor:
        encoder, crops = views.encoder, views.crops
        cells = encoder.cells(encoder.patches(crops), crops.grids).view(len(regions), -1, self.dim)
        if self.fault == "gradient":
            cells = torch.cat([cells[:1], cells[1:].detach()])
        if self.fault == "others":
            cells = cells - cells.mean(0)
        if self.fault == "maps":
            cells = cells + sum(feature_map.data.mean() for feature_map in maps)
        return cells.mean(1, keepdim=True)


def test_contract_serves_an_extractor_of_another_package_that_needs_crops() -> None:
    check_extractor(FaultyCropExtractor)


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("needs", r"needs names some of \['crops', 'image', 'map'\]"),
        ("picture", "token_hw is None or the rows and columns of num_tokens"),
        ("gradient", "gradient reaches every crop"),
        ("others", "do not depend on other regions"),
        ("maps", "Maps that are not in needs change nothing"),
    ],
)
def test_contract_names_the_promise_that_an_extractor_of_crops_breaks(fault: str, promise: str) -> None:
    with pytest.raises(ContractViolation, match=promise):
        check_extractor({"type": FaultyCropExtractor, "fault": fault})


class FaultyPrompt(PromptEncoder):
    """A right prompt encoder (the share of a patch under masks, times a weight) with one fault at a time."""

    def __init__(self, *, embed_dim: int, patch_px: int, fault: str = "") -> None:
        super().__init__()
        self.fault, self.patch_px = fault, patch_px
        self.weight = nn.Parameter(torch.ones(embed_dim) if fault == "nonzero" else torch.zeros(embed_dim))

    def forward(self, regions: RegionBatch, grids: list[Any]) -> torch.Tensor:
        rows = []
        for masks in regions.masks:
            union = masks.float().amax(0) if len(masks) else torch.zeros(masks.shape[1:])
            if self.fault == "order" and len(masks):
                union = masks[0].float()
            if self.fault == "spread":
                union = union + union.mean()
            patches = torch.nn.functional.avg_pool2d(union[:, None], self.patch_px)
            rows.append((patches.transpose(2, 3) if self.fault == "columns" else patches).flatten())
        if self.fault == "mixed":
            return torch.cat(rows)[:, None] @ self.weight[None]
        if self.fault == "dtype":
            return torch.cat(rows)[:, None] * self.weight.float()
        weight = self.weight.detach() if self.fault == "gradient" else self.weight
        return torch.cat(rows)[..., None].to(weight.dtype) * (weight * 0 if self.fault == "dead" else weight)


def test_contract_accepts_a_right_prompt_encoder() -> None:
    check_prompt_encoder(FaultyPrompt, footprint="mask")


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("nonzero", "exactly zero"),
        ("gradient", "depends on trainable parameters"),
        ("dead", "gradient reaches a parameter"),
        ("order", "order of regions does not count"),
        ("spread", "only the patches that its mask touches"),
        ("columns", "only the patches that its mask touches"),
        ("dtype", "has the dtype of the weights, bf16 too.*float32"),
        ("mixed", "has the dtype of the weights, bf16 too.* Got: RuntimeError"),
    ],
)
def test_contract_names_the_promise_that_a_prompt_encoder_breaks(fault: str, promise: str) -> None:
    with pytest.raises(ContractViolation, match=promise):
        check_prompt_encoder({"type": FaultyPrompt, "fault": fault}, footprint="mask")


class FaultyDataset(RegionDataset):
    """Two right samples with one fault at a time."""

    def __init__(self, *, fault: str = "") -> None:
        self.fault = fault
        self.reads = 0

    def __len__(self) -> int:
        return 0 if self.fault == "empty" else 2

    def __getitem__(self, index: int) -> Any:
        if index >= 2 and self.fault != "end":
            raise IndexError(index)
        self.reads += 1
        mask = np.zeros((8, 9), dtype=bool)
        mask[2:5, 3 : 4 + (self.reads if self.fault == "random" else 0)] = True
        image = np.zeros((9, 8, 3) if self.fault == "size" else (8, 9, 3), dtype=np.uint8)
        turns = [Turn("user", "Describe <Prompt1>." if self.fault == "prompt" else "Describe <Prompt0>.")]
        turns.append(Turn("user" if self.fault == "roles" else "assistant", "A thing."))
        name = "same" if self.fault == "ids" else f"item-{index}"
        return Sample(images=image, regions=[Region.from_mask(mask)], turns=turns, id=name)


def test_contract_accepts_a_right_dataset() -> None:
    check_dataset(FaultyDataset)


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("empty", "at least one sample"),
        ("end", "raises IndexError"),
        ("random", "is the same each time"),
        ("size", r"has the image's size \(9, 8\)"),
        ("prompt", "name only regions that exist"),
        ("roles", "alternate"),
        ("ids", "an id of its own"),
    ],
)
def test_contract_names_the_promise_that_a_dataset_breaks(fault: str, promise: str) -> None:
    with pytest.raises(ContractViolation, match=promise):
        check_dataset({"type": FaultyDataset, "fault": fault})


class FaultyTiler(AnyResTiler):
    """The built-in tiler with one fault at a time."""

    def __init__(self, *, fault: str = "") -> None:
        super().__init__(32, max_num_tiles=6, patch_px=4, pool=2)
        self.fault = fault

    def tile_masks(self, masks: np.ndarray, grid: TileGrid) -> torch.Tensor:
        tiles = super().tile_masks(masks, grid)
        if self.fault == "flipped":
            return tiles.flip(-1)
        if self.fault == "vanishing":
            return tiles & (tiles.flatten(1).sum(1) > 40)[:, None, None, None]
        return tiles

    def tile_image(self, image: Any) -> tuple[torch.Tensor, TileGrid]:
        tiles, grid = super().tile_image(image)
        return (tiles.double() if self.fault == "dtype" else tiles), grid

    def for_crops(self) -> AnyResTiler:
        return self if self.fault == "crops" else super().for_crops()


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("flipped", "where the image has its pixels"),
        ("vanishing", "does not vanish"),
        ("dtype", "float32"),
        ("crops", "one tile of one size"),
    ],
)
def test_contract_names_the_promise_that_a_tiler_breaks(fault: str, promise: str) -> None:
    with pytest.raises(ContractViolation, match=promise):
        check_tiler({"type": FaultyTiler, "fault": fault})


def _segmenter_arguments(name: str, folder: Path) -> dict[str, Any]:
    toys = {"SamSegmenter": _save_toy_sam, "Sam2Segmenter": _save_toy_sam2}
    if name not in toys:
        return {}
    toys[name](folder)
    return {"weights": str(folder)}


def _dataset_arguments(name: str, folder: Path) -> dict[str, Any]:
    if name == "RegionWorldDataset":
        return {"length": 40, "size": ((64, 96), (64, 96)), "turns_per_sample": 3}
    if name == "RegionWorldCurriculum":
        shares = {"captions": 1, "colours": 1}
        return {
            "world": {"size": ((64, 96), (64, 96)), "turns_per_sample": 3},
            "parts": {"captions": {"tasks": ["caption"]}, "colours": {"tasks": ["open_color"]}},
            "stages": [{"rounds": 10, "shares": shares}, {"rounds": 10, "shares": {"colours": 1}}],
        }
    if name == "ConversationDataset":
        return {"paths": str(_write_conversations(folder))}
    if name in ("ConcatDataset", "InterleavedDataset"):
        parts = ("ConversationDataset", "RegionWorldDataset")
        shares = {"shares": [1, 2]} if name == "InterleavedDataset" else {}
        return {"datasets": [{"type": part, **_dataset_arguments(part, folder)} for part in parts], **shares}
    return {}


def _write_conversations(folder: Path) -> Path:
    """Two records in the training layout: two captioned regions, and a question about one."""
    Image.fromarray(np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)).save(folder / "photo.png")
    left = {"size": [20, 30], "counts": [0, 200, 400]}  # column-major: the first ten columns
    right = {"size": [20, 30], "counts": [400, 200]}
    captions = [{"from": "gpt", "value": "The left part."}, {"from": "gpt", "value": "The right part."}]
    question = [
        {"from": "human", "value": "What is <Prompt0>?"},
        {"from": "gpt", "value": "<Prompt0> is left."},
    ]
    records = [
        {"image": "photo.png", "mask_rle": [left, right], "conversations": captions},
        {"image": "photo.png", "mask_rle": [left], "conversations": question},
    ]
    path = folder / "records.json"
    path.write_text(json.dumps(records))
    return path
