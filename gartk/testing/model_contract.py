"""The contract of whole models."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from gartk.checkpoints import Checkpoint
from gartk.data.collate import collate
from gartk.models.region_vlm import MODELS, RegionVLM
from gartk.testing.checks import (
    PartSpec,
    as_config,
    build_module,
    promised,
    require,
    require_close,
    require_finite,
    require_same,
    stir,
    with_copies,
)
from gartk.testing.toy import toy_sample

if TYPE_CHECKING:
    from gartk.structures import Batch

_NEW = 3


def check_model(spec: PartSpec, *, seed: int = 0) -> None:
    """Check everything that training, inference and checkpoints rely on in a model. Give it toy-sized parts.

    Promises: the loss of a batch is a finite scalar, ``loss`` among its entries, and its gradient reaches
    every part that has weights to train; a sample alone has the logits that it has among others;
    ``generate`` gives one reply per row; a checkpoint of it is loaded with the same logits when the files
    that its config names are gone.

    Raises: ContractViolation naming the promise that is broken.
    """
    with TemporaryDirectory() as sources, TemporaryDirectory() as saved:
        model = build_module(MODELS, with_copies(as_config(spec), Path(sources)), seed=seed)
        stir(model, seed)
        batch = _batch(model, [0, 1, 2])
        wanted = _logits(model, batch)
        require_finite(wanted, "The logits")
        _check_loss(model, batch)
        for row, mask in enumerate(batch.attention_mask.bool()):
            alone = _logits(model, _batch(model, [row]))[0]
            require_close(alone, wanted[row][mask], "A sample alone has its logits.", tolerance=1e-3)
        replies = model.generate(_batch(model, [0, 1, 2], answered=False), max_new_tokens=_NEW)
        short = all(reply.num_new_tokens <= _NEW for reply in replies)
        require(len(replies) == 3 and short, "generate gives a reply per row.", str(replies))
        Checkpoint.save(model, saved)
        shutil.rmtree(sources)
        Path(sources).mkdir()  # for the end of the block
        promise = "Its checkpoint is loaded with the same logits, without a source."
        with promised(promise):
            again = _logits(Checkpoint.open(saved).build(), batch)
        require_same(again, wanted, promise)


def _batch(model: RegionVLM, seeds: list[int], *, answered: bool = True) -> Batch:
    processor = model.make_processor(training=answered)
    samples = [toy_sample(num_regions=1 + seed % 2, seed=seed, answered=answered) for seed in seeds]
    side: Literal["left", "right"] = "right" if answered else "left"
    return collate([processor(sample) for sample in samples], pad_side=side, pad_id=processor.pad_id)


def _logits(model: RegionVLM, batch: Batch) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model.eval()(batch)
    return logits


def _check_loss(model: RegionVLM, batch: Batch) -> None:
    losses = model.loss(batch)
    scalar = "loss" in losses and losses["loss"].numel() == 1
    require(scalar, "The losses have a scalar named 'loss'.", str(sorted(losses)))
    require_finite(losses["loss"], "The loss")
    losses["loss"].backward()
    for name, part in model.parts().items():
        weights = [p for p in part.parameters() if p.requires_grad]
        reached = any(p.grad is not None and bool(p.grad.any()) for p in weights)
        require(reached or not weights, f"The gradient of the loss reaches {name}.")
    model.zero_grad(set_to_none=True)
