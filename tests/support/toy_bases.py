"""Toy bases that only tests of gartk build: a PerceptionLM as transformers saves it, a plain timm tower."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gartk.testing.toy import TOY_ARCHITECTURE, TOY_DECODER, TOY_TOWER

if TYPE_CHECKING:
    from transformers import PerceptionLMForConditionalGeneration


def toy_timm_vit(**changes: Any) -> dict[str, Any]:
    """Config of a plain timm tower on tiles of 64 px: 4x4 patches, at most 4 tiles and a thumbnail."""
    return {
        "type": "TimmViT",
        "model": "vit_small_patch16_224",
        "model_args": {"embed_dim": 64, "depth": 2, "num_heads": 2},
        "tile_px": 64,
        "max_num_tiles": 4,
        **changes,
    }


def save_toy_perception_lm(
    folder: str | Path,
    *,
    tied: bool = True,
    vocab_size: int | None = None,
    dtype: torch.dtype = torch.float32,
    max_shard_size: str = "1GB",
    seed: int = 0,
) -> PerceptionLMForConditionalGeneration:
    """Save a PerceptionLM of toy size with transformers' own classes, with the shipped tokenizer.

    Args:
        vocab_size: rows of the embedding; the tokenizer's size, padded to a multiple of 64, by default.

    Returns the model that was saved, in eval mode.
    """
    from transformers import (
        LlamaConfig,
        PerceptionLMConfig,
        PerceptionLMForConditionalGeneration,
        TimmWrapperConfig,
    )

    from gartk.models.llms.causal_lm import load_tokenizer

    tokenizer = load_tokenizer("tiny")
    rows = vocab_size if vocab_size is not None else -(-len(tokenizer) // 64) * 64
    config = PerceptionLMConfig(
        vision_config=TimmWrapperConfig(architecture=TOY_ARCHITECTURE, model_args=dict(TOY_TOWER)),
        text_config=LlamaConfig(vocab_size=rows, tie_word_embeddings=tied, **TOY_DECODER),
        projector_pooling_ratio=2,
        vision_use_cls_token=True,
        image_token_id=tokenizer.get_vocab()["<|image|>"],
        video_token_id=rows - 1,
        tie_word_embeddings=tied,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PerceptionLMForConditionalGeneration(config).eval()
    torch.nn.Module.to(model, dtype)
    model.save_pretrained(folder, max_shard_size=max_shard_size)
    tokenizer.save_pretrained(folder)
    return model
