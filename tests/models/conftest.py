"""Toy models, built once and copied, and batches for them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from gartk.data.collate import collate
from gartk.models.region_vlm import RegionVLM
from gartk.registry import MODELS
from gartk.structures import Batch, Sample
from gartk.testing.toy import toy_model

Build = Callable[..., RegionVLM]
MakeBatch = Callable[..., Batch]


def _build(**changes: Any) -> RegionVLM:
    torch.manual_seed(0)
    model: RegionVLM = MODELS.build(toy_model(**changes))
    return model.eval()


@pytest.fixture(scope="session")
def _plain_model() -> RegionVLM:
    return _build()


@pytest.fixture
def build(_plain_model: RegionVLM) -> Build:
    """Return a toy model of its own to the test; ``changes`` to its config build it anew."""

    def build_(**changes: Any) -> RegionVLM:
        return _build(**changes) if changes else copy.deepcopy(_plain_model)

    return build_


@pytest.fixture
def stirred(build: Build) -> Build:
    """Like ``build``, with a prompt encoder that is no longer zero."""

    def stirred_(**changes: Any) -> RegionVLM:
        model = build(**changes)
        with torch.no_grad():
            for parameter in model.prompt_encoder.parameters():
                parameter.normal_(std=0.2, generator=torch.Generator().manual_seed(1))
        return model

    return stirred_


@pytest.fixture
def make_batch() -> MakeBatch:
    """Encode samples with a model's processor: padded left without answers, right for training."""

    def make_batch_(model: RegionVLM, samples: Sequence[Sample], *, training: bool = True) -> Batch:
        processor = model.make_processor(training=training)
        return collate(
            [processor(sample) for sample in samples],
            pad_id=processor.pad_id,
            pad_side="right" if training else "left",
        )

    return make_batch_
