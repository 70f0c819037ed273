"""Qwen2.5-VL at toy size: configs of its parts, and a checkpoint folder as transformers saves it.

All weights are random, as in ``gartk.testing.toy``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import AddedToken, pre_tokenizers

from gartk.testing.toy import toy_chat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Qwen2_5_VLForConditionalGeneration

_TOWER: dict[str, Any] = {
    "depth": 3,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_heads": 2,
    "out_hidden_size": 48,
    "window_size": 56,
    "fullatt_block_indexes": [1],
}
_DECODER: dict[str, Any] = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "bos_token_id": None,
    "eos_token_id": None,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 2, 2]},
}
_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


def toy_qwen_chat() -> dict[str, Any]:
    """Give Qwen's markup, which ``toy_qwen_tokenizer`` has."""
    roles = ("system", "user", "assistant")
    return {
        "start": "",
        "system": "You are a helpful assistant.",
        "before": {role: f"<|im_start|>{role}\n" for role in roles},
        "after": dict.fromkeys(roles, "<|im_end|>\n"),
    }


def toy_qwen_vision(**changes: Any) -> dict[str, Any]:
    """Config of a tower of width 64: windows of 4x4 patches, whole images in its second layer.

    Images have about 4 to 25 cells, crops 16.
    """
    return {
        "type": "Qwen2_5_VLVision",
        "config": dict(_TOWER),
        "min_pixels": 4 * 28**2,
        "max_pixels": 25 * 28**2,
        "crop_px": 112,
        **changes,
    }


def toy_qwen_llm(**changes: Any) -> dict[str, Any]:
    """Config of a decoder of width 48 with the shipped tokenizer; nothing stands around its placeholders."""
    return {
        "type": "Qwen2_5_VLDecoder",
        "tokenizer": "tiny",
        "config": {"model_type": "qwen2_5_vl_text", "tie_word_embeddings": True, **_DECODER},
        "chat": toy_chat(),
        "image_wrap": ("", ""),
        "region_wrap": ("", ""),
        "num_prompts": 8,
        **changes,
    }


def toy_qwen_model(**changes: Any) -> dict[str, Any]:
    """Config of a RegionVLM of the three parts: mask prompts and a replay of 2x3 cells."""
    return {
        "type": "RegionVLM",
        "vision": toy_qwen_vision(),
        "connector": {"type": "Qwen2_5_VLConnector"},
        "llm": toy_qwen_llm(),
        "prompt_encoder": {"type": "MaskPrompt"},
        "region_extractor": {"type": "RoIAlignReplay", "output_size": (2, 3)},
        **changes,
    }


def from_qwen_folder(folder: str | Path, **changes: Any) -> dict[str, Any]:
    """Config of a RegionVLM whose three parts are those of a checkpoint folder."""
    source = str(folder)
    llm = {"type": "Qwen2_5_VLDecoder", "pretrained": source, "chat": toy_qwen_chat(), "num_prompts": 8}
    vision = {**toy_qwen_vision(), "config": None, "pretrained": source}
    connector = {"type": "Qwen2_5_VLConnector", "pretrained": source}
    return toy_qwen_model(**{"vision": vision, "connector": connector, "llm": llm, **changes})


def toy_qwen_tokenizer() -> PreTrainedTokenizerBase:
    """Give Qwen's own tokenizer class with single bytes as its vocabulary, and Qwen's markup."""
    from transformers import Qwen2Tokenizer

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Qwen2Tokenizer(
        vocab={character: number for number, character in enumerate(alphabet)},
        merges=[],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
    )
    tokenizer.add_tokens(
        [AddedToken(name, special=True, normalized=False) for name in _SPECIAL], special_tokens=True
    )
    return tokenizer


def save_toy_qwen2_5_vl(
    folder: str | Path,
    *,
    tied: bool = True,
    vocab_size: int | None = None,
    dtype: torch.dtype = torch.float32,
    max_shard_size: str = "1GB",
    flat_config: bool = False,
    seed: int = 0,
) -> Qwen2_5_VLForConditionalGeneration:
    """Save a Qwen2.5-VL of toy size with transformers' own classes, which write the published layout.

    Args:
        vocab_size: rows of the embedding; the tokenizer's size, padded to a multiple of 64, by default.
        flat_config: whether config.json states the decoder at its top level, as published ones do.

    Returns the model that was saved, in eval mode.
    """
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tokenizer = toy_qwen_tokenizer()
    vocab = tokenizer.get_vocab()
    rows = vocab_size if vocab_size is not None else -(-len(tokenizer) // 64) * 64
    ends = {"bos_token_id": vocab["<|endoftext|>"], "eos_token_id": vocab["<|im_end|>"]}
    config = Qwen2_5_VLConfig(
        vision_config=dict(_TOWER),
        text_config={**_DECODER, "vocab_size": rows, **ends},
        image_token_id=vocab["<|image_pad|>"],
        video_token_id=vocab["<|video_pad|>"],
        vision_start_token_id=vocab["<|vision_start|>"],
        vision_end_token_id=vocab["<|vision_end|>"],
        tie_word_embeddings=tied,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration(config).eval()
    torch.nn.Module.to(model, dtype)
    model.save_pretrained(folder, max_shard_size=max_shard_size)
    tokenizer.save_pretrained(folder)
    if flat_config:
        _flatten_config(Path(folder) / "config.json")
    return model


def _flatten_config(file: Path) -> None:
    raw = json.loads(file.read_text(encoding="utf-8"))
    text = raw.pop("text_config")
    rope = text.pop("rope_parameters")
    text["rope_theta"] = rope["rope_theta"]
    text["rope_scaling"] = {"type": "mrope", "mrope_section": rope["mrope_section"]}
    del raw["vision_config"]["model_type"], raw["vision_config"]["rope_parameters"]
    raw["vision_config"]["in_chans"] = raw["vision_config"].pop("in_channels")
    file.write_text(json.dumps({**text, **raw}), encoding="utf-8")
