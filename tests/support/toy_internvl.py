"""InternVL at toy size: a checkpoint as transformers saves it, and configs of its parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import AddedToken

from tests.support.toy_qwen import toy_qwen_chat, toy_qwen_tokenizer

if TYPE_CHECKING:
    from transformers import InternVLForConditionalGeneration, PreTrainedTokenizerBase

_TILE_PX = 56
_TOWER: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "image_size": (_TILE_PX, _TILE_PX),
    "attention_bias": True,
}
_DECODER: dict[str, Any] = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}
_SPECIAL = ("<img>", "</img>", "<IMG_CONTEXT>")


def toy_internvl_vision(**changes: Any) -> dict[str, Any]:
    """Config of a tower on tiles of 56 px: 4x4 patches, 2x2 cells, at most 4 tiles and a thumbnail."""
    return {"type": "InternVLVision", "config": dict(_TOWER), "max_num_tiles": 4, **changes}


def from_internvl_folder(folder: str | Path, **changes: Any) -> dict[str, Any]:
    """Config of a RegionVLM whose three parts are those of a checkpoint folder."""
    source = str(folder)
    return {
        "type": "RegionVLM",
        "vision": {"type": "InternVLVision", "pretrained": source, "max_num_tiles": 4},
        "connector": {"type": "InternVLConnector", "pretrained": source, "pool": 2},
        "llm": {
            "type": "CausalLM",
            "pretrained": source,
            "chat": {**toy_qwen_chat(), "system": None},
            "image": "<IMG_CONTEXT>",
            "image_wrap": ("<img>", "</img>\n"),
            "region_wrap": ("<img>", "</img>"),
            "num_prompts": 8,
        },
        "prompt_encoder": {"type": "MaskPrompt"},
        "region_extractor": {"type": "RoIAlignReplay", "output_size": 2},
        **changes,
    }


def save_toy_internvl(
    folder: str | Path,
    *,
    tied: bool = False,
    dtype: torch.dtype = torch.float32,
    max_shard_size: str = "1GB",
    seed: int = 0,
) -> InternVLForConditionalGeneration:
    """Save an InternVL of toy size with transformers' own classes.

    Its tokenizer is the toy of Qwen's with InternVL's special tokens. Positions and norms, which
    transformers leaves at 0 and 1, are drawn at random, so that no order or scale goes unseen.

    Returns the model that was saved, in eval mode.
    """
    from transformers import (
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLVisionConfig,
        Qwen2Config,
    )

    tokenizer = _tokenizer()
    vocab = tokenizer.get_vocab()
    rows = -(-len(tokenizer) // 64) * 64
    ends: dict[str, Any] = {"bos_token_id": vocab["<|endoftext|>"], "eos_token_id": vocab["<|im_end|>"]}
    config = InternVLConfig(
        vision_config=InternVLVisionConfig(**_TOWER),
        text_config=Qwen2Config(vocab_size=rows, tie_word_embeddings=tied, **ends, **_DECODER),
        image_token_id=vocab["<IMG_CONTEXT>"],
        tie_word_embeddings=tied,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = InternVLForConditionalGeneration(config).eval()
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 or "vision_tower.embeddings" in name:
                parameter.data += 0.1 * torch.randn_like(parameter)
    torch.nn.Module.to(model, dtype)
    model.save_pretrained(folder, max_shard_size=max_shard_size)
    tokenizer.save_pretrained(folder)
    return model


def _tokenizer() -> PreTrainedTokenizerBase:
    tokenizer = toy_qwen_tokenizer()
    tokens = [AddedToken(token, special=True, normalized=False) for token in _SPECIAL]
    tokenizer.add_tokens(tokens, special_tokens=True)
    return tokenizer
