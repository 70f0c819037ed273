"""A whole model at toy size, and samples for it.

All weights are random: this is for tests of wiring, shapes and files, not of what a model says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gartk.regions import Region
from gartk.structures import Sample, Turn

if TYPE_CHECKING:
    pass

_TILE_PX = 56
TOY_TOWER: dict[str, Any] = {
    "embed_dim": 64,
    "depth": 2,
    "num_heads": 2,
    "img_size": (_TILE_PX, _TILE_PX),
    "ref_feat_shape": (4, 4),
    "global_pool": "",
}
TOY_ARCHITECTURE = "vit_pe_lang_large_patch14_448"
TOY_DECODER: dict[str, Any] = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}
_HEADER = "<|start_header_id|>{}<|end_header_id|>\n\n"


def toy_chat() -> dict[str, Any]:
    """Give Llama 3's markup, which the shipped tokenizer has."""
    roles = ("system", "user", "assistant")
    return {
        "start": "<|begin_of_text|>",
        "before": {role: _HEADER.format(role) for role in roles},
        "after": dict.fromkeys(roles, "<|eot_id|>"),
    }


def toy_vision(**changes: Any) -> dict[str, Any]:
    """Config of a tower on tiles of 56 px: 4x4 patches, 2x2 cells, at most 4 tiles and a thumbnail."""
    return {
        "type": "PerceptionLMVision",
        "architecture": TOY_ARCHITECTURE,
        "model_args": dict(TOY_TOWER),
        "max_num_tiles": 4,
        **changes,
    }


def toy_llm(**changes: Any) -> dict[str, Any]:
    """Config of a decoder of width 48 with the shipped tokenizer."""
    return {
        "type": "CausalLM",
        "tokenizer": "tiny",
        "config": {"model_type": "llama", "tie_word_embeddings": True, **TOY_DECODER},
        "chat": toy_chat(),
        "num_prompts": 8,
        **changes,
    }


def toy_model(**changes: Any) -> dict[str, Any]:
    """Config of a RegionVLM: mask prompts and a replay of 2x2 cells, unless ``changes`` say otherwise."""
    return {
        "type": "RegionVLM",
        "vision": toy_vision(),
        "connector": {"type": "PerceptionLMConnector", "pool": 2},
        "llm": toy_llm(),
        "prompt_encoder": {"type": "MaskPrompt"},
        "region_extractor": {"type": "RoIAlignReplay", "output_size": 2},
        **changes,
    }


def toy_sample(
    image_hw: tuple[int, int] = (56, 56),
    num_regions: int = 1,
    *,
    seed: int = 0,
    turns: Sequence[tuple[str, str]] = (("What colour is <Prompt0>?", "red"),),
    answered: bool = True,
) -> Sample:
    """Give a noise image with rectangles as regions, and questions with their answers.

    Args:
        answered: False leaves out the last answer, as for generation.
    """
    rng = np.random.default_rng(seed)
    height, width = image_hw
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    regions = []
    for number in range(num_regions):
        mask = np.zeros(image_hw, dtype=bool)
        top, left = (int(rng.integers(0, side - side // 4)) for side in image_hw)
        mask[top : top + max(2, height // 4), left : left + max(2, width // (3 + number % 3))] = True
        regions.append(Region.from_mask(mask))
    messages = [turn for asked, said in turns for turn in (Turn("user", asked), Turn("assistant", said))]
    return Sample([image], regions, messages if answered else messages[:-1], id=f"toy-{seed}")
