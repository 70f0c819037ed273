"""Answering many samples in batches: encoded once, sorted by length, given back in order."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from gartk.data.collate import collate
from gartk.errors import ConfigError, GartkError
from gartk.models.region_vlm import Generated
from gartk.tilers import Tiler

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from torch import Tensor

    from gartk.models.region_vlm import Inputs, RegionVLM
    from gartk.structures import Batch, EncodedSample, Sample, TileGrid

BATCHES_PER_WINDOW = 16


class Reply(NamedTuple):
    """What a model said to one sample, and the sample's share of its batch's time in seconds."""

    generated: Generated
    seconds: float


class TiledOnce(Tiler):
    """A tiler that remembers the last images it cut, so that many questions about them share their tiles."""

    def __init__(self, tiler: Tiler) -> None:
        self._tiler = tiler
        self._cut: deque[tuple[object, tuple[Tensor, TileGrid]]] = deque(maxlen=8)

    def grid(self, image_hw: tuple[int, int]) -> TileGrid:
        """Choose the grid for an image of this size."""
        return self._tiler.grid(image_hw)

    def tile_image(self, image: np.ndarray | Image.Image) -> tuple[Tensor, TileGrid]:
        """Cut an image, or return its tiles if it is one of the last objects."""
        for known, tiles in self._cut:
            if known is image:
                return tiles
        self._cut.append((image, self._tiler.tile_image(image)))
        return self._cut[-1][1]

    def tile_masks(self, masks: np.ndarray, grid: TileGrid) -> Tensor:
        """Cut masks on the same grid."""
        return self._tiler.tile_masks(masks, grid)

    def for_crops(self) -> Tiler | None:
        """Return the tiler for crops."""
        return self._tiler.for_crops()


def in_evaluation_mode(model: RegionVLM) -> RegionVLM:
    """Return the model, or while it trains a twin in evaluation mode that shares its weights.

    So the mode belongs to a call: other threads that train or ask the model see no change.
    """
    if not any(module.training for module in model.modules()):
        return model
    shared = {id(one): one for one in (*model.parameters(), *model.buffers(), model.llm.tokenizer)}
    return copy.deepcopy(model, shared).eval()


class _Draw(LogitsProcessor):
    """Draws the next token by the likelihoods that it is given, and leaves nothing else to choose.

    A seed has a generator of its own, which no other call draws from; without one torch's is used.
    """

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        self._generator: torch.Generator | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if self._seed is not None and self._generator is None:
            self._generator = torch.Generator(scores.device).manual_seed(self._seed)
        drawn = torch.multinomial(scores.softmax(-1), 1, generator=self._generator)
        return torch.full_like(scores, float("-inf")).scatter_(1, drawn, 0.0)


def sampling_options(
    *, temperature: float | None = None, top_p: float | None = None, seed: int | None = None
) -> dict[str, Any]:
    """Turn sampling arguments of one call into those of transformers' generate; greedy without temperature.

    Raises: ConfigError for a value out of range, or ``top_p`` without a temperature.
    """
    if temperature is not None and not 0 <= temperature < float("inf"):
        raise ConfigError(f"temperature must be 0 (greedy) or above; got {temperature!r}.")
    if top_p is not None and not 0 < top_p <= 1:
        raise ConfigError(f"top_p must lie above 0 and at most at 1; got {top_p!r}.")
    if not temperature:
        if top_p is not None:
            raise ConfigError(
                "top_p only counts when sampling. Give a temperature too, e.g. temperature=1.0."
            )
        return {}
    steps = LogitsProcessorList([TemperatureLogitsWarper(float(temperature))])
    if top_p is not None and top_p < 1:
        steps.append(TopPLogitsWarper(float(top_p)))
    steps.append(_Draw(seed))
    # Sampling of transformers itself draws from the generator of the whole process.
    return {"logits_processor": steps}


def prepare_batch(model: RegionVLM, encoded: Sequence[EncodedSample], *, pad_id: int) -> Batch:
    """Collate samples for generation, on the model's device and with pixels of its dtype."""
    from gartk.models.placement import move_to_device

    batch: Batch = move_to_device(collate(encoded, pad_id=pad_id, pad_side="left"), model.device)
    dtype = next(model.parameters()).dtype
    batch.pixels = [tiles.to(dtype) for tiles in batch.pixels]
    if batch.crops is not None:
        batch.crops = replace(batch.crops, pixels=batch.crops.pixels.to(dtype))
    return batch


def embed_shared(
    model: RegionVLM, encoded: Sequence[EncodedSample], keys: Sequence[Hashable], *, pad_id: int
) -> Inputs:
    """Embed rows padded on the left, encoding images once for all rows with the same key."""
    batch = prepare_batch(model, encoded, pad_id=pad_id)
    first = {key: row for row, key in reversed(list(enumerate(keys)))}
    if len(first) == len(keys) or not model.encodes_images:
        return model.inputs(batch)
    rows = sorted(first.values())
    features = iter(model.encode_images(prepare_batch(model, [encoded[row] for row in rows], pad_id=pad_id)))
    distinct = {row: list(islice(features, len(encoded[row].grids))) for row in rows}
    return model.inputs(batch, [one for key in keys for one in distinct[first[key]]])


def answer_samples(
    model: RegionVLM,
    samples: Iterable[Sample],
    *,
    batch_size: int,
    max_new_tokens: int | Callable[[Sample], int],
    options: Mapping[str, Any] | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> Iterator[tuple[Sample, Reply]]:
    """Ask a model the last question of every sample; yield samples with replies, in order.

    What the assistant says after that question is left out, so a sample may carry its reference.
    Samples are read and encoded in windows of 16 batches, and sorted by length within each; those of
    one image object with the same regions share its encoding where they fall into one batch.
    ``on_batch`` is told the size of every batch that is done.

    Raises: ConfigError for a batch size below 1; the errors of encoding, naming the sample.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1; got {batch_size}.")
    model = in_evaluation_mode(model)
    processor = model.make_processor()
    processor.tiler = TiledOnce(processor.tiler)
    source = iter(samples)
    while window := list(islice(source, batch_size * BATCHES_PER_WINDOW)):
        with torch.no_grad():
            began = time.perf_counter()
            budgets = [max_new_tokens(s) if callable(max_new_tokens) else max_new_tokens for s in window]
            rows = [
                _Row(index, budget, _encode(processor, sample), _share_key(model, sample))
                for index, (sample, budget) in enumerate(zip(window, budgets, strict=True))
            ]
            each = (time.perf_counter() - began) / len(rows)
            replies: dict[int, Reply] = {}
            for group in _groups(rows, batch_size):
                answers = _answer(model, group, processor.pad_id, options or {})
                for row, reply in zip(group, answers, strict=True):
                    replies[row.place] = Reply(reply.generated, reply.seconds + each)
                if on_batch is not None:
                    on_batch(len(group))
        yield from ((sample, replies[index]) for index, sample in enumerate(window))


class _Row(NamedTuple):
    place: int
    budget: int
    encoded: EncodedSample
    regions: tuple[int, ...]


def _encode(processor: Callable[[Sample], EncodedSample], sample: Sample) -> EncodedSample:
    last = max((i for i, turn in enumerate(sample.turns) if turn.role == "user"), default=-1)
    try:
        return processor(replace(sample, turns=sample.turns[: last + 1]))
    except GartkError as error:
        if not sample.id or sample.id in str(error):
            raise
        raise type(error)(f"Sample {sample.id!r}: {error}") from error


def _share_key(model: RegionVLM, sample: Sample) -> tuple[int, ...]:
    """What else than the images their encoding depends on: the regions, unless no prompt enters the tower."""
    if not model.prompt_encoder.enters_tower:
        return ()
    return tuple(part for pair in sample.pairs() for part in (pair.image, id(pair.region)))


def _groups(rows: Sequence[_Row], batch_size: int) -> Iterator[list[_Row]]:
    """Cut rows into batches of one budget, longest first."""
    ordered = sorted(rows, key=lambda row: (-row.budget, -len(row.encoded.input_ids), row.place))
    group: list[_Row] = []
    for row in ordered:
        if group and (len(group) == batch_size or row.budget != group[0].budget):
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _answer(model: RegionVLM, group: Sequence[_Row], pad_id: int, options: Mapping[str, Any]) -> list[Reply]:
    began = time.perf_counter()
    keys = [(*map(id, row.encoded.pixels), row.regions) for row in group]
    inputs = embed_shared(model, [row.encoded for row in group], keys, pad_id=pad_id)
    new = model.llm.generate(*inputs, max_new_tokens=group[0].budget, **options)
    generated = [model.read_reply(ids, row.encoded.input_ids) for ids, row in zip(new, group, strict=True)]
    each = (time.perf_counter() - began) / len(group)
    return [Reply(one, each) for one in generated]
