"""Every registered model part keeps its contract, and each contract catches faults."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gartk.geometry import patch_planes
from gartk.models.connectors import PerceptionLMConnector
from gartk.models.llms import CausalLM
from gartk.models.region_vlm import MODELS, RegionVLM
from gartk.models.vision import PerceptionLMVision
from gartk.registry import CONNECTORS, LLMS, VISION_BACKBONES, registries
from gartk.testing.contracts import (
    CONTRACTS,
    ContractViolation,
    check_connector,
    check_llm,
    check_model,
    check_vision_backbone,
)
from gartk.testing.toy import toy_llm, toy_model, toy_vision
from tests.support.toy_bases import toy_timm_vit
from tests.support.toy_internvl import toy_internvl_vision
from tests.support.toy_qwen import toy_qwen_llm, toy_qwen_vision

TOY_VISION = {
    "InternVLVision": toy_internvl_vision(),
    "PerceptionLMVision": toy_vision(),
    "Qwen2_5_VLVision": toy_qwen_vision(),
    "TimmViT": toy_timm_vit(),
}
TOY_LLM = {"CausalLM": toy_llm(), "Qwen2_5_VLDecoder": toy_qwen_llm()}


@pytest.mark.parametrize("name", VISION_BACKBONES.names())
def test_registered_vision_backbone_keeps_the_contract(name: str) -> None:
    check_vision_backbone(TOY_VISION[name])


@pytest.mark.parametrize("name", CONNECTORS.names())
def test_registered_connector_keeps_the_contract(name: str) -> None:
    check_connector(name)


@pytest.mark.parametrize("name", LLMS.names())
def test_registered_language_model_keeps_the_contract(name: str) -> None:
    check_llm(TOY_LLM[name])


@pytest.mark.parametrize("name", MODELS.names())
def test_registered_model_keeps_the_contract(name: str) -> None:
    check_model(toy_model(type=name))


def test_every_registry_has_a_contract() -> None:
    assert set(CONTRACTS) == set(registries())


class ForgetsPrompts(RegionVLM):
    """Saves another prompt encoder than it has."""

    def saved_cfg(self) -> dict[str, Any]:
        return {**super().saved_cfg(), "type": "RegionVLM", "use_global": False}


class StopsGradients(RegionVLM):
    """Trains nothing but its decoder."""

    def encode_images(self, batch: Any) -> Any:
        with torch.no_grad():
            return super().encode_images(batch)


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        (ForgetsPrompts, "loaded with the same logits, without a source"),
        (StopsGradients, "The gradient of the loss reaches vision"),
    ],
)
def test_model_contract_catches(fault: type, promise: str) -> None:
    name = f"faulty.{fault.__name__}"
    MODELS.register(fault, name=name)
    try:
        with pytest.raises(ContractViolation, match=promise):
            check_model(toy_model(type=name))
    finally:
        MODELS.unregister(name)


class Transposed(PerceptionLMVision):
    """Gives patches column by column."""

    def encode_patches(self, pixels: Any, grids: Any) -> Tensor:
        planes = patch_planes(super().encode_patches(pixels, grids), grids)
        return torch.cat([plane.transpose(1, 2).flatten(0, 2) for plane in planes])


class DeafToPrompts(PerceptionLMVision):
    """Looks at no prompt."""

    def encode(self, pixels: Any, grids: Any, prompt: Tensor | None = None) -> Tensor:
        return self.encode_patches(pixels, grids)


class ReadsPromptsBackwards(PerceptionLMVision):
    """Adds the prompt of a tile's last patch to its first."""

    def encode(self, pixels: Any, grids: Any, prompt: Tensor | None = None) -> Tensor:
        if prompt is not None:
            planes = patch_planes(prompt, grids)
            prompt = torch.cat([plane.flatten(1, 2).flip(1).flatten(0, 1) for plane in planes])
        return super().encode(pixels, grids, prompt)


class MixesTiles(PerceptionLMVision):
    """Lets every tile see the mean of all."""

    def encode_patches(self, pixels: Any, grids: Any) -> Tensor:
        patches = super().encode_patches(pixels, grids)
        return patches + 0.1 * patches.mean(0)


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        (Transposed, "in raster order"),
        (DeafToPrompts, "A prompt on a tile changes that tile"),
        (MixesTiles, "changes no other tile"),
        (ReadsPromptsBackwards, "A prompt on a patch shows most at its own place"),
    ],
)
def test_vision_contract_catches(fault: type, promise: str) -> None:
    with pytest.raises(ContractViolation, match=promise):
        check_vision_backbone(toy_vision(type=fault))


class ColumnsFirst(PerceptionLMConnector):
    """Reads the patches of a tile column by column."""

    def forward(self, features: Tensor, grids: Any) -> Tensor:
        planes = patch_planes(features, grids)
        return super().forward(torch.cat([plane.transpose(1, 2).flatten(0, 2) for plane in planes]), grids)


class WrongPool(PerceptionLMConnector):
    """Says that it pools by 4."""

    def __init__(self, *, in_dim: int, out_dim: int) -> None:
        super().__init__(in_dim=in_dim, out_dim=out_dim, pool=2)
        self.pool = 4


@pytest.mark.parametrize(
    ("fault", "promise"), [(ColumnsFirst, "in raster order"), (WrongPool, r"has the shape \(9, 24\)")]
)
def test_connector_contract_catches(fault: type[nn.Module], promise: str) -> None:
    with pytest.raises(ContractViolation, match=promise):
        check_connector(fault)


class ReadsPadding(CausalLM):
    """Counts padding as text."""

    def hidden(self, embeddings: Tensor, attention_mask: Tensor, positions: Tensor) -> Tensor:
        return super().hidden(embeddings, torch.ones_like(attention_mask), positions)


class SilentPrompts(CausalLM):
    """Loses prompts in answers."""

    def decode(self, ids: Tensor) -> str:
        return super().decode(ids).replace("<Prompt0>", "").strip()


class LastRowOnly(CausalLM):
    """Generates the same for every row."""

    def generate(self, *inputs: Tensor, **options: Any) -> Tensor:
        new = super().generate(*inputs, **options)
        return (new[-1:].expand_as(new) + 1) % 100


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        (ReadsPadding, "Padding on the left changes nothing"),
        (SilentPrompts, "decode keeps"),
        (LastRowOnly, "greedy continuation"),
    ],
)
def test_llm_contract_catches(fault: type, promise: str) -> None:
    with pytest.raises(ContractViolation, match=promise):
        check_llm(toy_llm(type=fault))
