"""Bases at toy size with an extractor that needs crops, for the tests of these extractors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gartk.models.region_vlm import RegionVLM
from gartk.registry import MODELS
from gartk.structures import Batch, Sample
from tests.models.test_bases import BASES, batch_of, ragged

__all__ = ["BASES", "batch_of", "ragged"]

Config = dict[str, Any]


def build(config: Config, **changes: Any) -> RegionVLM:
    """Build a base with changes, seeded."""
    torch.manual_seed(0)
    model: RegionVLM = MODELS.build({**config, **changes})
    return model.eval()


def stirred(model: RegionVLM, *, gates: float | None = None) -> RegionVLM:
    """Let prompts be no longer zero, and gates neither."""
    with torch.no_grad():
        for parameter in model.prompt_encoder.parameters():
            parameter.normal_(std=0.2, generator=torch.Generator().manual_seed(1))
        for name, parameter in model.region_extractor.named_parameters():
            if gates is not None and "gate" in name:
                parameter.fill_(gates)
    return model


def grad_of(model: RegionVLM, batch: Batch) -> tuple[float, dict[str, Tensor]]:
    """The loss of a batch and the gradients of all weights that have one."""
    model.zero_grad(set_to_none=True)
    loss = model.loss(batch)["loss"]
    loss.backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return loss.item(), grads


def mean_of_single_runs(model: RegionVLM, samples: list[Sample]) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients of a batch as the mean over its samples alone."""
    runs = [grad_of(model, batch_of(model, [sample])) for sample in samples]
    names = {name for _, grads in runs for name in grads}
    mean = {
        name: sum((grads[name] for _, grads in runs if name in grads), torch.zeros(())) / len(runs)
        for name in names
    }
    return sum(loss for loss, _ in runs) / len(runs), mean


def assert_same_gradients(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    """Compare gradients weight by weight: float32 sums in another order."""
    assert set(left) == set(right)
    for name, wanted in left.items():
        bound = 1e-4 * float(wanted.abs().max()) + 1e-8
        assert float((right[name] - wanted).abs().max()) <= bound, name


class Seen:
    """The pictures that a tower was run on, run by run: shapes of tiles."""

    def __init__(self, model: RegionVLM) -> None:
        self.runs: list[list[tuple[int, ...]]] = []
        plain: Callable[..., Tensor] = model.vision.encode_patches

        def spied(pixels: Any, grids: Any) -> Tensor:
            self.runs.append([tuple(tiles.shape) for tiles in pixels])
            return plain(pixels, grids)

        model.vision.encode_patches = spied


def checkpointed(config: Config) -> Config:
    """The base with activations of its tower recomputed in the backward pass."""
    return {**config, "vision": {**config["vision"], "gradient_checkpointing": True}}
