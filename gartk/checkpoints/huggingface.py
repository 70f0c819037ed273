"""The format of gartk's export for transformers; ``import gartk.hf`` lets the Auto classes load it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from gartk.checkpoints.checkpoint import Checkpoint, CheckpointFormat, Content, model_cfg, write_config
from gartk.checkpoints.model_card import model_card
from gartk.models.weights import CONFIG_NAME, read_config, read_tensors, weight_files

HF_MODEL_TYPE = "gartk"
ARCHITECTURE = "GartkForConditionalGeneration"


class GartkConfig(PreTrainedConfig):
    """How to build a RegionVLM, as a config of transformers.

    Attributes: ``model`` is the config of the RegionVLM; ``info`` what its folder tells of its training.
    """

    model_type = HF_MODEL_TYPE
    model: dict[str, Any] | None = None
    info: dict[str, Any] | None = None


class HuggingFaceFormat(CheckpointFormat):
    """A folder as transformers lays it out: config, weights in shards, tokenizer beside them, model card."""

    name = "hf"
    marked_by = f"the model_type {HF_MODEL_TYPE!r} (gartk's Hugging Face export)"

    def recognises(self, config: Mapping[str, Any]) -> bool:
        """Return whether the config is of gartk's class in transformers."""
        return config.get("model_type") == HF_MODEL_TYPE

    def read(self, folder: Path) -> Checkpoint:
        """Read a folder."""
        config = read_config(folder / CONFIG_NAME)
        cfg, info = model_cfg(config, folder), dict(config.get("info") or {})
        read_state = partial(read_tensors, weight_files(folder))
        return Checkpoint(self.name, folder, cfg, folder, read_state, info)

    def write(self, content: Content, folder: Path, *, max_shard_size: str) -> list[str]:
        """Write a folder."""
        from huggingface_hub import save_torch_state_dict

        folder.mkdir(parents=True, exist_ok=True)
        save_torch_state_dict(content.state, folder, max_shard_size=max_shard_size, metadata={"format": "pt"})
        model = content.model
        model.llm.tokenizer.save_pretrained(folder)
        cfg = model.saved_cfg()
        config = GartkConfig(model=cfg, info=content.info, architectures=[ARCHITECTURE], dtype=content.dtype)
        config.tie_word_embeddings = content.tied
        write_config(folder / CONFIG_NAME, config.to_diff_dict())
        (folder / "README.md").write_text(model_card(content), encoding="utf-8")
        return []
