"""Reading the authors' release of GAR: its config, its weights under its names, its tokenizer.

A folder of the release holds ``config.json`` (model_type ``GAR``: the config of a PerceptionLM and how many
prompts it knows), safetensors with the names that ``RELEASE_NAMES`` lists, and tokenizer and processor
files. Nothing in it is executed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gartk.checkpoints.checkpoint import Checkpoint
from gartk.errors import CheckpointError
from gartk.models.llms.causal_lm import load_tokenizer
from gartk.models.llms.extension import RESERVED, RESERVED_OFFSET
from gartk.models.weights import CONFIG_NAME, read_config, read_tensors, weight_files

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

RELEASE, RELEASE_MODEL_TYPE = "release", "GAR"
# Names in the release -> names in gartk, both as prefixes.
RELEASE_NAMES = {
    "mllm.model.vision_tower.": "vision.tower.",
    "mllm.model.multi_modal_projector.": "connector.projector.",
    "mllm.model.language_model.": "llm.lm.model.",
    "mllm.lm_head.": "llm.lm.lm_head.",
    "mask_patch_embedding.": "prompt_encoder.conv.",
}
MASK_WEIGHT, HEAD_WEIGHT = "mask_patch_embedding.weight", "mllm.lm_head.weight"
EMBED_WEIGHT = "mllm.model.language_model.embed_tokens.weight"
# What its code has as constants: the replayed tokens per side of a region, and the mask's equal channels.
REPLAY_SIZE, MASK_PLANES = 16, 3
MAX_NUM_TILES = 16
# How its weights were trained and are asked, as switches of ``gartk.compat``. That the boxes of several
# regions were mixed up when it was evaluated (last_mask_box) is no property of the weights.
RELEASE_COMPAT = dict.fromkeys(
    ("double_scaled_roi", "inclusive_box", "id_map_bicubic", "double_bos", "release_wording"), True
)
PROMPT, NO_PROMPT = "<Prompt{}>", "<NO_Prompt>"
_HEADER = "<|start_header_id|>{}<|end_header_id|>\n\n"
_ROLES = ("system", "user", "assistant")
CHAT: dict[str, Any] = {
    "start": "<|begin_of_text|>",
    "system": (
        "You are a helpful language and vision assistant. You are able to understand the visual content"
        " that the user provides, and assist the user with a variety of tasks using natural language."
    ),
    "before": {role: _HEADER.format(role) for role in _ROLES},
    "after": dict.fromkeys(_ROLES, "<|eot_id|>"),
}
_MARKUP = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")


def to_gartk(name: str) -> str:
    """Return gartk's name for a weight of the release; one that it does not know stays."""
    return _renamed(name, RELEASE_NAMES)


def to_release(name: str) -> str:
    """Return the release's name for a weight of gartk; one that it does not know stays."""
    return _renamed(name, {own: theirs for theirs, own in RELEASE_NAMES.items()})


def _renamed(name: str, prefixes: dict[str, str]) -> str:
    for old, new in prefixes.items():
        if name.startswith(old):
            return new + name[len(old) :]
    return name


def read_release(folder: str | Path, *, tokenizer: str | Path | None = None) -> Checkpoint:
    """Read a folder of the release, with ``release_compat`` set as its weights were trained and asked.

    The mask embedding's three channels are kept as they are (``MaskPrompt(in_planes=3)``); only where all
    but the first are zero, as gartk writes a kernel of its own, is there one. Whether the head is tied is
    read from the weights: the flags in the config contradict each other.

    Args:
        tokenizer: a folder or hub id to take the tokenizer from, in place of the folder's own.

    Raises: CheckpointError naming the file and the key that is missing or wrong.
    """
    folder = Path(folder)
    config = read_config(folder / CONFIG_NAME)
    state = read_tensors(weight_files(folder))
    words = Path(tokenizer) if tokenizer is not None else _tokenizer_folder(folder)
    reader = ReleaseConfig(folder / CONFIG_NAME, config)
    cfg = reader.model_cfg(load_tokenizer(str(words)), folder)
    cfg["llm"]["config"]["tie_word_embeddings"] = _is_tied(state, cfg["llm"]["config"])
    kernel = state.get(MASK_WEIGHT)
    if kernel is not None:
        if list(kernel.shape[2:]) != reader.get("kernel_size", list):
            raise reader.error(
                "kernel_size",
                f"is {config['kernel_size']}, but {MASK_WEIGHT} has the shape {tuple(kernel.shape)}",
            )
        if _is_one_plane(kernel):
            state[MASK_WEIGHT], cfg["prompt_encoder"]["in_planes"] = kernel[:, :1].contiguous(), 1
    renamed = {to_gartk(name): value for name, value in state.items()}
    return Checkpoint(
        format=RELEASE,
        folder=folder,
        cfg=cfg,
        tokenizer=words,
        read_state=lambda: renamed,
        info={"source": f"release ({RELEASE_MODEL_TYPE})"},
        release_files=folder,
        named=to_release,
    )


def _tokenizer_folder(folder: Path) -> Path:
    if not any(folder.glob("tokenizer*")):
        raise CheckpointError(
            f"{folder / 'tokenizer.json'} does not exist. Copy the tokenizer files of the checkpoint there."
        )
    return folder


def _is_tied(state: dict[str, Tensor], text: dict[str, Any]) -> bool:
    """Whether the head is the embedding; a tied model's head may have been stored a second time."""
    head, embedding = state.get(HEAD_WEIGHT), state.get(EMBED_WEIGHT)
    if head is None:
        return True
    if not text.get("tie_word_embeddings") or embedding is None or not torch.equal(head, embedding):
        return False
    del state[HEAD_WEIGHT]
    return True


def _is_one_plane(kernel: Tensor) -> bool:
    """Whether a mask kernel was written from one of one channel, the others being zero."""
    return kernel.shape[1] > 1 and bool(kernel[:, :1].any()) and not bool(kernel[:, 1:].any())


class ReleaseConfig:
    """Reads the release's config.json; every error names the file and the key."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self.config = config
        if config.get("model_type") != RELEASE_MODEL_TYPE:
            raise self.error(
                "model_type", f"must be {RELEASE_MODEL_TYPE!r}; got {config.get('model_type')!r}"
            )

    def error(self, key: str, what: str) -> CheckpointError:
        """Return the error that says what is wrong with a key."""
        return CheckpointError(f"{self.path}: {key} {what}. Is this a folder of the release?")

    def get(self, key: str, kind: type) -> Any:
        """Look up a dotted key that must be of one type."""
        node: Any = self.config
        for part in key.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        if node is None:
            raise self.error(key, "is missing")
        if not isinstance(node, kind):
            raise self.error(key, f"must be of type {kind.__name__}; got {node!r}")
        return node

    def model_cfg(self, tokenizer: PreTrainedTokenizerBase, folder: Path) -> dict[str, Any]:
        """Return the config of the RegionVLM that the release is."""
        pool = self.get("mllm_config.projector_pooling_ratio", int)
        vision = self.get("mllm_config.vision_config", dict)
        kernel, patch = (
            self.get("kernel_size", list),
            [self.config.get(f"patch_size_{side}") for side in "hw"],
        )
        if None not in patch and patch != kernel:
            raise self.error("kernel_size", f"{kernel} is not the size of a patch, {patch}")
        compat = self._own("release_compat", RELEASE_COMPAT)
        return {
            "type": "RegionVLM",
            "vision": {
                "type": "PerceptionLMVision",
                "architecture": self.get("mllm_config.vision_config.architecture", str),
                "model_args": dict(vision.get("model_args") or {}),
                "max_num_tiles": max_num_tiles(folder),
            },
            "connector": {"type": "PerceptionLMConnector", "pool": pool},
            "llm": self._llm_cfg(tokenizer),
            "prompt_encoder": {"type": "MaskPrompt", "in_planes": MASK_PLANES},
            "region_extractor": {"type": "RoIAlignReplay", "output_size": REPLAY_SIZE},
            **({"release_compat": dict(compat)} if compat else {}),
        }

    def _own(self, key: str, default: Any) -> Any:
        """What gartk wrote about a model of its own, when it wrote it in the release's layout."""
        return self.config.get("gartk", {}).get(key, default)

    def _llm_cfg(self, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
        text = dict(self.get("mllm_config.text_config", dict))
        self.get("mllm_config.text_config.model_type", str)
        for key in ("dtype", "torch_dtype", "_name_or_path", "transformers_version", "architectures"):
            text.pop(key, None)
        count = self.get("prompt_numbers", int)
        return {
            "type": "CausalLM",
            "config": text,
            "tokenizer": "./tokenizer",
            "chat": self._own("chat", CHAT),
            "image": self._token(
                tokenizer, "mllm_config.image_token_id", self.get("mllm_config.image_token_id", int)
            ),
            "num_prompts": count,
            **self._region_tokens(tokenizer, count),
        }

    def _region_tokens(self, tokenizer: PreTrainedTokenizerBase, count: int) -> dict[str, Any]:
        ids = self.get("crop_tokens_ids", list)
        if len(ids) < count:
            raise self.error("crop_tokens_ids", f"has {len(ids)} tokens for prompt_numbers={count}")
        vocab = tokenizer.get_vocab()
        markup = () if "gartk" in self.config else _MARKUP
        missing = [name for name in (*map(PROMPT.format, range(count)), *markup) if name not in vocab]
        if missing:
            raise CheckpointError(
                f"The tokenizer beside {self.path} lacks {', '.join(missing)}, which the model was trained"
                " with (prompt_numbers, chat). Use the tokenizer files of the checkpoint itself."
            )
        names = [self._token(tokenizer, f"crop_tokens_ids[{i}]", one) for i, one in enumerate(ids[:count])]
        if names == [RESERVED.format(i + RESERVED_OFFSET) for i in range(count)]:
            return {"region": RESERVED, "region_offset": RESERVED_OFFSET}
        return {"region": names}

    def _token(self, tokenizer: PreTrainedTokenizerBase, key: str, number: int) -> str:
        name = tokenizer.convert_ids_to_tokens(number) if 0 <= number < len(tokenizer) else None
        if not name:
            raise self.error(
                key, f"is {number}, which is no token of the tokenizer ({len(tokenizer)} tokens)"
            )
        return str(name)


def max_num_tiles(folder: Path) -> int:
    """Read how many tiles the release's processor cuts; 16, as it was trained, where it does not say.

    Raises: CheckpointError for a processor that cuts or normalises images in another way.
    """
    for name in ("preprocessor_config.json", "processor_config.json"):
        if not (folder / name).is_file():
            continue
        config = read_config(folder / name)
        config = config.get("image_processor", config)
        for key, expected in (
            ("vision_input_type", "thumb+tile"),
            ("image_mean", [0.5, 0.5, 0.5]),
            ("image_std", [0.5, 0.5, 0.5]),
        ):
            if config.get(key, expected) != expected:
                raise CheckpointError(
                    f"{folder / name}: {key} is {config[key]!r}; gartk reads {expected!r} only."
                )
        if "max_num_tiles" in config:
            return int(config["max_num_tiles"])
    return MAX_NUM_TILES
