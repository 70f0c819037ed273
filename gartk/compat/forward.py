"""The forward pass of the authors' release from ready tensors, through gartk's own parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from gartk.compat.numbering import consecutive_placeholders, numbers_in
from gartk.data.prompting import IGNORE
from gartk.errors import ConfigError, DataError, RegionError
from gartk.inference.api import RegionAssistant
from gartk.models.prompts.mask import MaskPrompt
from gartk.models.vision.perception_lm import PerceptionLMVision
from gartk.structures import Batch, RegionBatch, TileGrid

if TYPE_CHECKING:
    from gartk.models.region_vlm import RegionVLM

Box = Sequence[float]


@dataclass
class ReleaseOutput:
    """What ``forward_release`` gives.

    Shapes: image_features (T, cells of a tile, D), thumbnail first; replayed: for the number of each
    prompt its local tokens (P, D); inputs_embeds (1, L, D); logits (1, L, V); loss a scalar, None
    without labels; generated_ids (1, at most max_new_tokens), None where nothing was asked for.
    """

    image_features: Tensor
    replayed: dict[int, Tensor]
    inputs_embeds: Tensor
    logits: Tensor
    loss: Tensor | None
    generated_ids: Tensor | None


def forward_release(
    model: RegionVLM | RegionAssistant,
    *,
    pixel_values: Tensor,
    mask_ids: Tensor,
    input_ids: Tensor,
    boxes: Mapping[int | str, Box],
    aspect_ratios: Tensor | Sequence[Sequence[int]],
    labels: Tensor | None = None,
    max_new_tokens: int = 0,
) -> ReleaseOutput:
    """Run one sample of ready tensors, as the release's ``forward`` and ``generate`` take them.

    Nothing is prepared here: no begin token is added, no box or mask is changed. Of the model's
    ``release_compat`` only ``double_scaled_roi`` counts, where boxes meet the map. Gradients flow as in
    training, except through generation. Boxes of placeholders that ``input_ids`` does not have are left
    out, as the release leaves them out.

    Args:
        model: a RegionVLM, or what ``gartk.load`` gives.
        pixel_values: (T, 3, h, w), normalised tiles, the thumbnail first.
        mask_ids: (T, 1 or 3, h, w) or (T, h, w): integers are ids of prompts, with the number of prompts
            as background; floats with negative values are ids as pixel values, ``id * 2 / 255 - 1``.
        input_ids: (1, L) with an image placeholder per cell and a block of placeholders per prompt.
        boxes: for each placeholder token its box (x0, y0, x1, y1), 0..1 of the image.
        aspect_ratios: [[columns, rows]] of the tiles.
        labels: (1, L), -100 where nothing is predicted; the loss is the mean over all labelled tokens.
        max_new_tokens: how many tokens to generate greedily after ``input_ids``; with labels, after
            what stands before the first labelled token.

    Raises: DataError or RegionError naming the argument that does not fit; ConfigError for a model
        whose masks are not joined to one.
    """
    model = model.model if isinstance(model, RegionAssistant) else model
    grid = _grid(model, pixel_values, aspect_ratios)
    batch = _batch(model, pixel_values, grid, input_ids, boxes, labels)
    union = _union(model, mask_ids, pixel_values)
    prompt = model.prompt_encoder(_masked(union, batch.regions), [grid])
    patches = model.vision.encode(batch.pixels, [grid], prompt)
    features = model.vision.assemble(model.connector(patches, [grid]), [grid])
    inputs = model.inputs(batch, features)
    logits = model.llm.head(model.llm.hidden(*inputs))
    loss = None
    if labels is not None:
        targets = labels[:, 1:].flatten().to(logits.device)
        loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), targets, ignore_index=IGNORE)
    new = None
    if max_new_tokens:
        start = _first_label(labels, batch.input_ids.shape[1])
        prefix = [part[..., :start] for part in inputs[1:]]
        new = model.llm.generate(inputs.embeddings[:, :start], *prefix, max_new_tokens=max_new_tokens)
    return ReleaseOutput(
        image_features=features[0].tokens.unflatten(0, (grid.num_tiles, -1)),
        replayed=_replayed(model, input_ids[0].to(model.device), inputs.embeddings),
        inputs_embeds=inputs.embeddings,
        logits=logits,
        loss=loss,
        generated_ids=new,
    )


def _first_label(labels: Tensor | None, length: int) -> int:
    """Where the answer starts, or the length of the row."""
    places = [] if labels is None else (labels[0] != IGNORE).nonzero()[:, 0].tolist()
    return int(places[0]) if places else length


def _grid(model: RegionVLM, pixels: Tensor, ratios: Tensor | Sequence[Sequence[int]]) -> TileGrid:
    if not isinstance(model.vision, PerceptionLMVision):
        raise ConfigError(
            "forward_release needs the tower of the release, PerceptionLMVision; got"
            f" {type(model.vision).__name__}."
        )
    shape = torch.as_tensor(ratios).flatten().tolist()
    if pixels.ndim != 4 or pixels.shape[1] != 3 or len(shape) != 2:
        raise DataError(
            "forward_release takes one image: pixel_values (T, 3, h, w) and aspect_ratios [[columns, rows]];"
            f" got {tuple(pixels.shape)} and {shape}."
        )
    cols, rows = (int(side) for side in shape)
    height, width = int(pixels.shape[2]), int(pixels.shape[3])
    if len(pixels) != rows * cols + 1:
        raise DataError(
            f"aspect_ratios [[{cols}, {rows}]] needs a thumbnail and {rows * cols} tiles; pixel_values has"
            f" {len(pixels)}."
        )
    return TileGrid(
        image_hw=(rows * height, cols * width),
        rows=rows,
        cols=cols,
        tile_hw=(height, width),
        patch_px=model.vision.patch_px,
        pool=int(model.connector.pool),
        thumbnail="first",
    )


def _union(model: RegionVLM, mask_ids: Tensor, pixels: Tensor) -> Tensor:
    """Decode the picture of ids and tell what lies in any prompt: (1, T, h, w) bool."""
    encoder = model.prompt_encoder
    if not isinstance(encoder, MaskPrompt) or encoder.mode != "union":
        raise ConfigError(
            "forward_release needs masks joined to one, as the release's: MaskPrompt(mode='union')."
        )
    planes = mask_ids if mask_ids.ndim == 4 else mask_ids[:, None]
    wanted = (len(pixels), *pixels.shape[2:])
    if planes.ndim != 4 or (len(planes), *planes.shape[2:]) != wanted or planes.shape[1] not in (1, 3):
        raise DataError(
            f"mask_ids must be (T, 1 or 3, h, w) beside pixel_values {tuple(pixels.shape)}; got"
            f" {tuple(mask_ids.shape)}."
        )
    if bool((planes != planes[:, :1]).any()):
        raise DataError("mask_ids has channels that differ; the release's picture of ids has equal ones.")
    ids = planes[:, 0]
    if ids.is_floating_point() and bool((ids < 0).any()):
        ids = (ids.float() + 1) / 2 * 255
    background = len(model.llm.tokens.prompts)
    return (ids.float().round().clamp(0, background) != background)[None].to(pixels.device)


def _masked(union: Tensor, regions: RegionBatch) -> RegionBatch:
    """One region that is all prompts together, for the prompt encoder."""
    zero = regions.image_index.new_zeros(1)
    whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]], device=union.device)
    return RegionBatch(whole, zero, zero, [union], [union.new_zeros((0, 3), dtype=torch.float32)])


def _batch(
    model: RegionVLM,
    pixels: Tensor,
    grid: TileGrid,
    input_ids: Tensor,
    boxes: Mapping[int | str, Box],
    labels: Tensor | None,
) -> Batch:
    device = model.device
    ids = input_ids.to(device)
    if ids.ndim != 2 or len(ids) != 1 or (labels is not None and labels.shape != ids.shape):
        raise DataError(
            "forward_release takes one row: input_ids (1, L), and labels of the same shape; got"
            f" {tuple(input_ids.shape)} and {None if labels is None else tuple(labels.shape)}."
        )
    given = {int(token): box for token, box in boxes.items()}
    strange = sorted(set(given) - set(model.llm.region_ids))
    if strange:
        raise RegionError(
            f"boxes names the tokens {strange}; placeholders of regions are {model.llm.region_ids}."
        )
    numbers = numbers_in(ids[0], model.llm.region_ids)
    missing = [model.llm.region_ids[i] for i in numbers if model.llm.region_ids[i] not in given]
    if missing:
        raise RegionError(f"input_ids has placeholders {missing}, but boxes has no box for them.")
    own = [[float(v) for v in given[model.llm.region_ids[i]]] for i in numbers]
    if any(len(box) != 4 for box in own):
        raise RegionError(f"A box is (x0, y0, x1, y1); got {own}.")
    count = len(numbers)
    regions = RegionBatch(
        boxes_norm=torch.tensor(own, dtype=torch.float32, device=device).reshape(-1, 4),
        image_index=torch.zeros(count, dtype=torch.long, device=device),
        prompt_index=torch.arange(count, device=device),
        masks=[torch.zeros((count, grid.num_tiles, *grid.tile_hw), dtype=torch.bool, device=device)],
        points=[torch.zeros((0, 3), device=device)] * count,
    )
    dtype = next(model.vision.parameters()).dtype
    return Batch(
        pixels=[pixels.to(device, dtype)],
        grids=[grid],
        regions=regions,
        input_ids=consecutive_placeholders(ids, model.llm.region_ids),
        labels=torch.full_like(ids, IGNORE) if labels is None else labels.to(device),
        attention_mask=torch.ones_like(ids),
    )


def _replayed(model: RegionVLM, row: Tensor, embeddings: Tensor) -> dict[int, Tensor]:
    """The local tokens of every prompt, as they stand in the embedded text."""
    ids = model.llm.region_ids
    return {number: embeddings[0, row == ids[number]] for number in numbers_in(row, ids)}
