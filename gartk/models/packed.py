"""A checkpoint between formats: how to build the model, its weights as the file has them, its tokenizer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from gartk.errors import CheckpointError
from gartk.models.building import blank_weights
from gartk.models.checkpoints import (
    CONFIG_NAME,
    FORMAT,
    TOKENIZER_NAME,
    WEIGHTS_NAME,
    assign,
    is_under,
    own_state,
    read_config,
    read_tensors,
    structure_only,
    weight_files,
)
from gartk.registry import MODELS

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.models.region_vlm import RegionVLM

HF_MODEL_TYPE = "gartk"
RELEASE_MODEL_TYPE = "GAR"
# Where a gartk folder keeps the files of the release that it was made from.
RELEASE_FILES = "release"


@dataclass
class Packed:
    """A model that is not built yet.

    Attributes: ``cfg`` builds its structure; ``state`` holds its weights under the names and in the
    number types of gartk's own files; ``tokenizer`` is the folder of its tokenizer; ``info`` is kept
    in config.json; ``release_files`` is the folder with the small files of the release it came from;
    ``named`` gives the name of a weight in the file it came from.
    """

    cfg: dict[str, Any]
    state: dict[str, Tensor]
    tokenizer: Path
    source: str
    info: dict[str, Any] = field(default_factory=dict)
    release_files: Path | None = None
    named: Callable[[str], str] = str

    def build(self, dtype: torch.dtype | None = None) -> RegionVLM:
        """Build the model with its weights, cast to ``dtype`` (default float32).

        Raises: CheckpointError naming weights that are missing, left over or of another shape.
        """
        with blank_weights():
            model = self._build(dtype)
        self.load_into(model)
        return model

    def load_into(self, model: RegionVLM, *, skip: Sequence[str] = ()) -> None:
        """Copy the weights into a model that is built; the modules in ``skip`` keep what they have.

        Raises: CheckpointError as ``build``.
        """
        own = model.state_dict()
        shared = set(own) - set(own_state(model))
        kept = {name for name in own if is_under(name, skip)}
        state = {name: value for name, value in self.state.items() if not is_under(name, skip)}
        assign(model, state, self.source, optional=sorted(shared | kept), named=self.named)

    def structure(self) -> RegionVLM:
        """Build the model on torch's meta device, and check that the weights fit it.

        Raises: CheckpointError as ``build``.
        """
        with structure_only(), blank_weights():
            model = self._build(None)
        tied = {"llm.lm.lm_head.weight"} if self.tied else set()
        assign(model, self.state, self.source, optional=sorted(tied), named=self.named)
        return model

    @property
    def tied(self) -> bool:
        """Whether the head of the language model is its embedding."""
        return bool(self.cfg["llm"].get("config", {}).get("tie_word_embeddings", False))

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type that most numbers are stored in."""
        sizes: dict[torch.dtype, int] = {}
        for value in self.state.values():
            if value.is_floating_point():
                sizes[value.dtype] = sizes.get(value.dtype, 0) + value.numel()
        return max(sizes, key=lambda dtype: sizes[dtype]) if sizes else torch.float32

    def _build(self, dtype: torch.dtype | None) -> RegionVLM:
        cfg = {**self.cfg, "llm": {**self.cfg["llm"], "tokenizer": str(self.tokenizer)}}
        if dtype is not None:
            cfg["dtype"] = dtype
        model: RegionVLM = MODELS.build(cfg, path="model")
        return model


def format_of(folder: Path) -> str:
    """Tell the format of a checkpoint folder: "gartk", "release" or "hf".

    Raises: CheckpointError for any other.
    """
    config = read_config(folder / CONFIG_NAME)
    if config.get("format") == FORMAT:
        return "gartk"
    known = {RELEASE_MODEL_TYPE: "release", HF_MODEL_TYPE: "hf"}
    if config.get("model_type") in known:
        return known[config["model_type"]]
    raise CheckpointError(
        f"{folder / CONFIG_NAME} is not of a checkpoint that gartk reads: format is"
        f" {config.get('format')!r} and model_type {config.get('model_type')!r}; expected"
        f" the format {FORMAT!r}, or the model_type {RELEASE_MODEL_TYPE!r} (the authors' release) or"
        f" {HF_MODEL_TYPE!r} (gartk's Hugging Face export)."
    )


def read_gartk(folder: Path) -> Packed:
    """Read a gartk folder.

    Raises: CheckpointError naming what is missing.
    """
    config = read_config(folder / CONFIG_NAME)
    files = folder / RELEASE_FILES
    return Packed(
        cfg=_model_cfg(config.get("model"), folder),
        state=read_tensors([folder / WEIGHTS_NAME]),
        tokenizer=folder / TOKENIZER_NAME,
        source=str(folder),
        info=dict(config.get("info") or {}),
        release_files=files if (files / CONFIG_NAME).is_file() else None,
    )


def read_hf(folder: Path) -> Packed:
    """Read a folder that gartk exported for transformers.

    Raises: CheckpointError naming what is missing.
    """
    config = read_config(folder / CONFIG_NAME)
    state = read_tensors(weight_files(folder))
    cfg = _model_cfg(config.get("model"), folder)
    return Packed(cfg, state, folder, str(folder), dict(config.get("info") or {}))


def _model_cfg(cfg: Any, folder: Path) -> dict[str, Any]:
    if not isinstance(cfg, dict) or not isinstance(cfg.get("llm"), dict):
        raise CheckpointError(
            f"{folder / CONFIG_NAME} lacks the config to build the model (model, model.llm)."
        )
    return dict(cfg)


def write_gartk(packed: Packed, folder: Path) -> None:
    """Write a gartk folder, the weights as they are.

    Raises: CheckpointError if the weights do not fit the model.
    """
    model = packed.structure()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(packed.state, folder / WEIGHTS_NAME, metadata={"format": "pt"})
    model.llm.tokenizer.save_pretrained(folder / TOKENIZER_NAME)
    write_json(folder / CONFIG_NAME, {"format": FORMAT, "model": model.saved_cfg(), "info": packed.info})
    if packed.release_files is not None:
        copy_small_files(packed.release_files, folder / RELEASE_FILES)


def copy_small_files(source: Path, folder: Path) -> None:
    """Copy a folder's config, tokenizer, processor, card and licence files; weights and code stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.iterdir()):
        kept = file.suffix in {".json", ".txt", ".model", ".jinja", ".md"} or file.name.startswith("LICENSE")
        if file.is_file() and kept and not file.name.endswith(".index.json"):
            shutil.copyfile(file, folder / file.name)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON file as gartk writes its own: keys sorted, a line break at the end."""
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
