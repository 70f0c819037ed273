"""Folders in the layout of the authors' release at toy size, and the tokenizer that stands in for theirs.

All weights are random: this is for tests of names, shapes and files.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from gartk.checkpoints.release_reader import EMBED_WEIGHT, HEAD_WEIGHT, MASK_WEIGHT, NO_PROMPT, PROMPT
from gartk.models.llms.extension import RESERVED, RESERVED_OFFSET
from tests.support.toy_bases import save_toy_perception_lm

if TYPE_CHECKING:
    from torch import Tensor

# The first special tokens in the order of PerceptionLM's conversion script; reserved ones follow.
_SPECIAL = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|image|>",
    "<|video|>",
    RESERVED.format(2),
    RESERVED.format(3),
    "<|start_header_id|>",
    "<|end_header_id|>",
    RESERVED.format(4),
    "<|eot_id|>",
)
RELEASE_FIRST_SPECIAL, RELEASE_NUM_SPECIAL = 128000, 256
TOY_FIRST_SPECIAL, TOY_NUM_SPECIAL = 300, 16


def stand_in_tokenizer(
    *,
    first_special: int = RELEASE_FIRST_SPECIAL,
    num_special: int = RELEASE_NUM_SPECIAL,
    num_prompts: int = 5,
) -> PreTrainedTokenizerFast:
    """Make a tokenizer that reads bytes, with special tokens and prompts at the ids of the release.

    It also knows a double line break as one token, as Llama's does.

    Args:
        first_special: the id of the begin token; ids of bytes and unused ones come before.
        num_special: special tokens, the reserved ones included; prompts come after.
        num_prompts: 0 leaves out the background's token too, as PerceptionLM's own tokenizer does.
    """
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    line = as_bytes.pre_tokenize_str("\n")[0][0]
    words = [*bytes_, line * 2]
    words += [f"[unused{i}]" for i in range(first_special - len(words))]
    reserved = [RESERVED.format(i) for i in range(5, 5 + num_special - len(_SPECIAL))]
    model = models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[(line, line)])
    tokenizer = Tokenizer(model)
    lines_and_words = pre_tokenizers.Split(Regex(r"[\r\n]+|[^\r\n]+"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([lines_and_words, as_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    prompts = [*map(PROMPT.format, range(num_prompts)), NO_PROMPT] if num_prompts else []
    tokenizer.add_special_tokens(
        [AddedToken(name, special=True, normalized=False) for name in (*_SPECIAL, *reserved, *prompts)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|begin_of_text|>",
        eos_token="<|eot_id|>",
        pad_token="<|end_of_text|>",
    )


def save_toy_release(
    folder: str | Path,
    *,
    tied: bool = True,
    num_prompts: int = 5,
    dtype: torch.dtype = torch.float32,
    zero_mask: bool = False,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Write a folder as the authors' class saves it: names, config and tokenizer; give its weights.

    The config has the contradiction of theirs: its top level says that the head is tied, whatever is true.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = stand_in_tokenizer(
        first_special=TOY_FIRST_SPECIAL, num_special=TOY_NUM_SPECIAL, num_prompts=num_prompts
    )
    with TemporaryDirectory() as place:
        base = save_toy_perception_lm(place, tied=tied, vocab_size=len(tokenizer), seed=seed)
        config = json.loads((Path(place) / "config.json").read_text(encoding="utf-8"))
    state = {f"mllm.{name}": value.to(dtype) for name, value in base.state_dict().items()}
    if tied:
        del state[HEAD_WEIGHT]
    width = config["vision_config"]["model_args"]["embed_dim"]
    kernel = torch.randn(width, 3, 14, 14, generator=torch.Generator().manual_seed(seed)) * 0.05
    state[MASK_WEIGHT] = (kernel * (0.0 if zero_mask else 1.0)).to(dtype)
    save_file({k: v.contiguous() for k, v in state.items()}, folder / "model.safetensors", {"format": "pt"})
    tokenizer.save_pretrained(folder)
    vocab = tokenizer.get_vocab()
    config["image_token_id"], config["video_token_id"] = vocab["<|image|>"], vocab["<|video|>"]
    config["tie_word_embeddings"] = True
    config["text_config"]["tie_word_embeddings"] = tied
    _write(folder / "config.json", _release_config(config, vocab, width, num_prompts))
    _write(folder / "preprocessor_config.json", {"max_num_tiles": 4, "tile_size": 56})
    return state


def _release_config(mllm: dict[str, Any], vocab: dict[str, int], width: int, count: int) -> dict[str, Any]:
    return {
        "model_type": "GAR",
        "mllm_config": mllm,
        "prompt_numbers": count,
        "crop_tokens_ids": [vocab[RESERVED.format(i + RESERVED_OFFSET)] for i in range(count)],
        "patch_size_h": 14,
        "patch_size_w": 14,
        "kernel_size": [14, 14],
        "mask_path_embedding_out_channels": width,
    }


def unpack_reference(source: str | Path, folder: str | Path) -> Path:
    """Write the release folder that reference tensors of the authors' code belong to; give its path.

    ``source`` holds ``config.json`` and ``weights.safetensors`` with the embedding as a product of two small
    tables; the tokenizer is ``stand_in_tokenizer``.
    """
    source, folder = Path(source), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    state = load_file(source / "weights.safetensors")
    rows = torch.arange(config["mllm_config"]["text_config"]["vocab_size"])
    first, second = state.pop("__embed_A"), state.pop("__embed_B")
    state[EMBED_WEIGHT] = first[rows % len(first)] * second[rows % len(second)]
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    _write(folder / "config.json", config)
    stand_in_tokenizer(num_prompts=config["prompt_numbers"]).save_pretrained(folder)
    return folder


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
