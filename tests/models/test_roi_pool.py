"""RoI-pooled features: maxima over whole cells, on every base."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gartk.checkpoints import Checkpoint
from gartk.errors import ConfigError
from gartk.models.extractors import RoIPool, roi_pool
from gartk.ops.roi import available_backends
from gartk.structures import FeatureMap, RegionBatch
from gartk.testing.contracts import check_extractor
from gartk.testing.parts import make_grid, make_maps, make_regions, ragged_grids
from tests.models.crop_bases import (
    BASES,
    Config,
    Seen,
    assert_same_gradients,
    batch_of,
    build,
    grad_of,
    mean_of_single_runs,
    ragged,
    stirred,
)

BACKENDS = [name for name, problem in available_backends("roi_pool").items() if problem is None]
# Boxes of a map of 8x12 cells: on the borders of cells, between them, inside one cell, the whole map.
BOXES = [
    [2 / 12, 1 / 8, 5 / 12, 7 / 8],
    [0.13, 0.2, 0.61, 0.77],
    [0.42, 0.51, 0.43, 0.52],
    [0.0, 0.0, 1.0, 1.0],
    [1 / 3, 3 / 8, 2 / 3, 5 / 8],
]


def regions_of(boxes: list[list[float]], images: list[int]) -> RegionBatch:
    index = torch.tensor(images, dtype=torch.int64)
    prompt = torch.tensor([images[:i].count(image) for i, image in enumerate(images)], dtype=torch.int64)
    return RegionBatch(torch.tensor(boxes).reshape(-1, 4), index, prompt, masks=[], points=[])


def cells_of(box: list[float], map_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    """First and last row and column that a box touches, last exclusive."""
    height, width = map_hw
    top, bottom = math.floor(box[1] * height + 1e-4), math.ceil(box[3] * height - 1e-4)
    left, right = math.floor(box[0] * width + 1e-4), math.ceil(box[2] * width - 1e-4)
    return top, bottom, left, right


def by_hand(data: Tensor, box: list[float], out: int) -> Tensor:
    """The maximum of every bin, bins rounded outwards: (out * out, D)."""
    top, bottom, left, right = cells_of(box, (data.shape[1], data.shape[2]))
    bins = []
    for row in range(out):
        for col in range(out):
            rows = slice(
                top + math.floor(row * (bottom - top) / out),
                top + math.ceil((row + 1) * (bottom - top) / out),
            )
            cols = slice(
                left + math.floor(col * (right - left) / out),
                left + math.ceil((col + 1) * (right - left) / out),
            )
            bins.append(data[:, rows, cols].amax((1, 2)))
    return torch.stack(bins)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [1, 2, 16])
def test_every_bin_is_the_maximum_over_the_cells_that_it_touches(size: int, backend: str) -> None:
    grid = make_grid(2, 3)
    data = torch.randn(5, *grid.map_hw, generator=torch.Generator().manual_seed(0))
    tokens = RoIPool(size, backend=backend)([FeatureMap(data, grid)], regions_of(BOXES, [0] * len(BOXES)))
    assert tokens.shape == (len(BOXES), size * size, 5)
    for token, box in zip(tokens, BOXES, strict=True):
        torch.testing.assert_close(token, by_hand(data, box, size), rtol=0, atol=0)


def test_a_box_on_the_borders_of_cells_takes_no_cell_beside_it() -> None:
    grid = make_grid(2, 3)
    data = torch.full((1, *grid.map_hw), 9.0)
    data[:, 1:7, 2:5] = -1.0
    assert RoIPool()([FeatureMap(data, grid)], regions_of(BOXES[:1], [0])).item() == -1.0


def test_regions_keep_their_order_over_images() -> None:
    maps = [
        FeatureMap(torch.full((1, *grid.map_hw), float(i)), grid) for i, grid in enumerate(ragged_grids())
    ]
    tokens = RoIPool()(maps, regions_of([[0.1, 0.1, 0.9, 0.9]] * 5, [0, 2, 2, 1, 0]))
    assert tokens.flatten().tolist() == [0, 2, 2, 1, 0]


@pytest.mark.parametrize("size", [1, (2, 3), 16])
def test_it_keeps_the_contract_at_any_size(size: int) -> None:
    check_extractor({"type": "RoIPool", "output_size": size})


def test_all_regions_of_a_batch_are_one_call_of_the_op(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = roi_pool.roi_pool

    def spy(features: list[Tensor], boxes: Tensor, *args: object, **kwargs: object) -> Tensor:
        calls.append(len(boxes))
        return real(features, boxes, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(roi_pool, "roi_pool", spy)
    grids = ragged_grids()
    RoIPool()(make_maps(grids), make_regions(grids, (3, 1, 4)))
    assert calls == [8]


@pytest.mark.parametrize("size", [0, -1, (4, 0), (1, 2, 3), ()])
def test_a_bad_output_size_is_a_config_error(size: object) -> None:
    with pytest.raises(ConfigError, match="RoIPool: output_size must be one or two positive numbers"):
        RoIPool(size)  # type: ignore[arg-type]


# ------------------------------------------- row 5 on every base

ROW_5: Config = {"region_extractor": {"type": "RoIPool"}, "prompt_encoder": {"type": "NullPrompt"}}


@pytest.fixture(scope="module", params=BASES, ids=lambda base: base.__name__)
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Config:
    made: Config = {**request.param(tmp_path_factory.mktemp(request.param.__name__)), **ROW_5}
    return made


def test_row_5_encodes_the_image_once_whatever_the_number_of_regions(config: Config) -> None:
    model = build(config)
    batch = batch_of(model, ragged())
    seen = Seen(model)
    model.loss(batch)
    assert [len(run) for run in seen.runs] == [4]
    counts = [int(torch.isin(row, torch.tensor(model.llm.region_ids)).sum()) for row in batch.input_ids]
    assert counts == [1, 7, 3, 2], "one token for each region"


def test_loss_and_gradients_of_a_ragged_batch_are_the_mean_of_its_samples_runs(config: Config) -> None:
    model = build(config)
    samples = ragged()
    loss, grads = grad_of(model, batch_of(model, samples))
    wanted, mean = mean_of_single_runs(model, samples)
    assert loss == pytest.approx(wanted, abs=1e-5)
    assert_same_gradients(mean, grads)


@torch.no_grad()
def test_generation_and_files_work_with_one_token_a_region(config: Config, tmp_path: Path) -> None:
    model = stirred(build({**config, "prompt_encoder": {"type": "MaskPrompt"}}))
    for parameter in model.llm.parameters():
        parameter.mul_(3.0)
    samples = ragged(answered=False)
    together = model.generate(batch_of(model, samples, training=False), max_new_tokens=4)
    alone = [model.generate(batch_of(model, [s], training=False), max_new_tokens=4)[0] for s in samples]
    assert together == alone
    Checkpoint.save(model, tmp_path)
    twin = Checkpoint.open(tmp_path).build(device="cpu")
    batch = batch_of(twin, ragged())
    assert torch.equal(twin(batch), model(batch))
