"""A toy model whose answers depend on image, regions and question."""

from __future__ import annotations

import pytest
import torch

from gartk.inference.api import RegionAssistant
from gartk.models.region_vlm import RegionVLM
from gartk.registry import MODELS
from gartk.testing.toy import toy_model


def build_lively(**changes: object) -> RegionVLM:
    """Build a toy model with weights so large that every input gives another answer."""
    torch.manual_seed(0)
    model: RegionVLM = MODELS.build(toy_model(**changes))
    return enliven(model)


def enliven(model: RegionVLM) -> RegionVLM:
    """Make the weights of a model so large that every input gives another answer."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.prompt_encoder.parameters():
            parameter.normal_(std=1.0, generator=generator)
        for parameter in model.llm.lm.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.3, generator=generator)
    return model.eval()


@pytest.fixture(scope="session")
def lively() -> RegionVLM:
    return build_lively()


@pytest.fixture(scope="session")
def assistant(lively: RegionVLM) -> RegionAssistant:
    return RegionAssistant(lively)
