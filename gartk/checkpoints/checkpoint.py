"""A checkpoint, whatever its format: how to build its model, its weights, its tokenizer; what a format is."""

from __future__ import annotations

import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from gartk.checkpoints.sources import find_folder
from gartk.errors import CheckpointError, ConfigError, did_you_mean
from gartk.models.building import blank_weights, number_type
from gartk.models.llms.causal_lm import load_tokenizer
from gartk.models.placement import chosen_device, put
from gartk.models.region_vlm import MODELS
from gartk.models.weights import (
    CONFIG_NAME,
    assign,
    is_under,
    main_type,
    own_state,
    read_config,
    structure_only,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from gartk.models.region_vlm import RegionVLM

NATIVE = "gartk"
SHARD_SIZE = "5GB"


@dataclass
class Checkpoint:
    """A stored model that is not built yet; its weights are read when they are first needed.

    Attributes: ``format`` names the format of its ``folder``; ``cfg`` builds its structure; ``tokenizer`` is
    the folder of its tokenizer; ``read_state`` reads its weights, under the names and in the number types of
    gartk's own files; ``info`` is what was noted about its training; ``release_files`` is the folder with the
    small files of the release it came from; ``named`` turns the name of a weight into that in the file.
    """

    format: str
    folder: Path
    cfg: dict[str, Any]
    tokenizer: Path
    read_state: Callable[[], dict[str, Tensor]]
    info: dict[str, Any] = field(default_factory=dict)
    release_files: Path | None = None
    named: Callable[[str], str] = str

    @classmethod
    def open(cls, source: str | os.PathLike[str]) -> Checkpoint:
        """Open a checkpoint of any format.

        Args:
            source: a shipped name (``"tiny"``), a checkpoint folder, a work dir (its newest checkpoint), or
                ``org/name`` in gartk's cache, the hub's cache or on the hub.

        Raises: CheckpointError naming the file and what is wrong with it.
        """
        folder = find_folder(source)
        config = read_config(folder / CONFIG_NAME)
        for known in FORMATS.values():
            if known.recognises(config):
                return known.read(folder)
        raise CheckpointError(
            f"{folder / CONFIG_NAME} is not of a checkpoint that gartk reads: format is"
            f" {config.get('format')!r} and model_type {config.get('model_type')!r}; expected"
            f" {', or '.join(known.marked_by for known in FORMATS.values())}."
        )

    @cached_property
    def state(self) -> dict[str, Tensor]:
        """The weights, in the types of the file."""
        return self.read_state()

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type that most numbers are stored in."""
        return main_type(self.state)

    def build(
        self,
        *,
        device: str = "auto",
        dtype: str | torch.dtype | None = None,
        device_map: str | dict[str, Any] | None = None,
        release_compat: Mapping[str, bool] | None = None,
    ) -> RegionVLM:
        """Build the model with its weights, ready to answer.

        Args:
            device: ``"auto"`` (a GPU if there is one), ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
            dtype: the type of the weights; None is the one of the config, float32 unless it says otherwise.
            device_map: spreads the model over devices, in place of ``device``; see ``gartk.load``.
            release_compat: single deviations of the authors' release to switch on or off.

        Raises: CheckpointError naming weights that are missing, left over or of another shape; ConfigError.
        """
        target = chosen_device(device, device_map)
        cfg = with_switches(self.cfg, release_compat)
        if dtype is not None:
            cfg["dtype"] = number_type(dtype)
        with blank_weights():
            model = self._build(cfg)
        self._copy_into(model)
        put(model, target, device_map)
        return model.eval()

    def load_into(self, model: RegionVLM, *, skip: Sequence[str] = ()) -> None:
        """Copy the weights into a model that is built, so that a training starts from them.

        Modules in ``skip`` keep what they have, so that a part may be of another kind or size than the
        checkpoint's. All other weights must be there, in the same shape, and the tokenizers must be the same.

        Raises: CheckpointError naming what does not fit; ConfigError for a module that neither has.
        """
        names = [*model.state_dict(), *self.state]
        for module in skip:
            if not any(is_under(name, [module]) for name in names):
                known = {name.partition(".")[0] for name in names}
                raise ConfigError(
                    f"skip: neither the model nor {self.folder} has weights under {module!r}.\n"
                    f"  {did_you_mean(module, known)}"
                )
        theirs = load_tokenizer(str(self.tokenizer)).get_vocab()
        if theirs != model.llm.tokenizer.get_vocab():
            raise CheckpointError(
                f"The tokenizer of {self.folder} ({len(theirs):,} tokens) is another than the model's"
                f" ({len(model.llm.tokenizer):,}): words would get the weights of others. Give model.llm the"
                " same tokenizer and num_prompts."
            )
        self._copy_into(model, skip=skip)

    def structure(self) -> RegionVLM:
        """Build the model on torch's meta device, and check that the weights fit it.

        Raises: CheckpointError as ``build``.
        """
        with structure_only(), blank_weights():
            model = self._build(self.cfg)
        tied = ["llm.lm.lm_head.weight"] if is_tied(self.cfg) else []
        assign(model, self.state, str(self.folder), optional=tied, named=self.named)
        return model

    def convert(
        self,
        format: str,
        out: str | os.PathLike[str],
        *,
        dtype: str | torch.dtype | None = None,
        info: Mapping[str, Any] | None = None,
        max_shard_size: str = SHARD_SIZE,
    ) -> list[str]:
        """Write the checkpoint in another format; return notes on what will differ there.

        Args:
            format: a name in ``FORMATS``.
            out: a folder that does not exist, or is empty.
            dtype: stores the weights in this type; None leaves every weight as it is, bit by bit.
            info: what to note besides what the checkpoint has.
            max_shard_size: of a file of weights, in the formats that have shards.

        Raises: CheckpointError if the checkpoint is incomplete, the target exists, or the format has no place
            for the model.
        """
        target = _format_named(format)
        folder = Path(out)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CheckpointError(f"{folder} exists and is not an empty folder. Give a new one.")
        model = self.structure()
        content = Content(
            model, _as_type(self.state, dtype), {**self.info, **(info or {})}, self.release_files
        )
        return target.write(content, folder, max_shard_size=max_shard_size)

    @staticmethod
    def save(
        model: RegionVLM,
        folder: str | os.PathLike[str],
        *,
        format: str = NATIVE,
        dtype: str | torch.dtype | None = None,
        info: Mapping[str, Any] | None = None,
        max_shard_size: str = SHARD_SIZE,
    ) -> list[str]:
        """Write a model as a checkpoint, over what the folder holds; arguments and notes as in ``convert``.

        Raises: CheckpointError if the format has no place for the model.
        """
        target = _format_named(format)
        content = Content(model, _as_type(own_state(model), dtype), dict(info or {}))
        if format != NATIVE:
            _check_rebuilds(content, Path(folder))
        return target.write(content, Path(folder), max_shard_size=max_shard_size)

    def _build(self, cfg: dict[str, Any]) -> RegionVLM:
        cfg = {**cfg, "llm": {**cfg["llm"], "tokenizer": str(self.tokenizer)}}
        model: RegionVLM = MODELS.build(cfg, path="model")
        return model

    def _copy_into(self, model: RegionVLM, *, skip: Sequence[str] = ()) -> None:
        own = model.state_dict()
        shared = set(own) - set(own_state(model))
        kept = {name for name in own if is_under(name, skip)}
        state = {name: value for name, value in self.state.items() if not is_under(name, skip)}
        assign(model, state, str(self.folder), optional=sorted(shared | kept), named=self.named)


@dataclass(frozen=True)
class Content:
    """What a format writes: a model (its structure is enough), its weights, what is noted about it.

    ``release_files`` is the folder with the small files of the release that the model came from.
    """

    model: RegionVLM
    state: dict[str, Tensor]
    info: dict[str, Any]
    release_files: Path | None = None

    @property
    def tied(self) -> bool:
        """Whether the head of the language model is its embedding."""
        return is_tied(self.model.saved_cfg())

    @property
    def dtype(self) -> str:
        """The name of the floating-point type that most numbers are stored in."""
        return str(main_type(self.state)).removeprefix("torch.")


class CheckpointFormat(ABC):
    """A format of checkpoint folders: how to recognise, read and write one.

    Attributes: ``name`` is its name for ``convert`` and ``save``; ``marked_by`` says, for an error, what in
    config.json it is recognised by.
    """

    name: str
    marked_by: str

    @abstractmethod
    def recognises(self, config: Mapping[str, Any]) -> bool:
        """Return whether a folder with this config.json is of this format."""

    @abstractmethod
    def read(self, folder: Path) -> Checkpoint:
        """Read a folder. Raises: CheckpointError naming the file and what is wrong with it."""

    @abstractmethod
    def write(self, content: Content, folder: Path, *, max_shard_size: str) -> list[str]:
        """Write a folder; return notes on what will differ.

        Raises: CheckpointError, before anything is written, if the format has no place for the model.
        """


FORMATS: dict[str, CheckpointFormat] = {}


def _format_named(name: str) -> CheckpointFormat:
    if name not in FORMATS:
        raise CheckpointError(f"There is no format {name!r}. Known: {', '.join(FORMATS)}.")
    return FORMATS[name]


def _as_type(state: dict[str, Tensor], dtype: str | torch.dtype | None) -> dict[str, Tensor]:
    if dtype is None:
        return state
    wanted = number_type(dtype)
    return {name: value.to(wanted) if value.is_floating_point() else value for name, value in state.items()}


def _check_rebuilds(content: Content, folder: Path) -> None:
    """Check that the config of a model, read again, builds what its weights fit."""
    with TemporaryDirectory() as words:
        content.model.llm.tokenizer.save_pretrained(words)
        cfg = content.model.saved_cfg()
        Checkpoint(NATIVE, folder, cfg, Path(words), lambda: content.state).structure()


def with_switches(cfg: Mapping[str, Any], release_compat: Mapping[str, bool] | None) -> dict[str, Any]:
    """Return the config of a model with single switches of ``release_compat`` set; the others stay."""
    if release_compat is None:
        return dict(cfg)
    return {**cfg, "release_compat": {**(cfg.get("release_compat") or {}), **release_compat}}


def is_tied(cfg: Mapping[str, Any]) -> bool:
    """Return whether the config of a model says that the head of its language model is its embedding."""
    return bool(cfg["llm"].get("config", {}).get("tie_word_embeddings", False))


def model_cfg(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the config of the model in a config.json that gartk wrote.

    Raises: CheckpointError if it is not there.
    """
    cfg = config.get("model")
    if not isinstance(cfg, dict) or not isinstance(cfg.get("llm"), dict):
        raise CheckpointError(
            f"{folder / CONFIG_NAME} lacks the config to build the model (model, model.llm)."
        )
    return dict(cfg)


def copy_small_files(source: Path, folder: Path) -> None:
    """Copy a folder's config, tokenizer, processor, card and licence files; weights and code stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.iterdir()):
        kept = file.suffix in {".json", ".txt", ".model", ".jinja", ".md"} or file.name.startswith("LICENSE")
        if file.is_file() and kept and not file.name.endswith(".index.json"):
            shutil.copyfile(file, folder / file.name)


def write_config(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file as gartk writes its own: keys sorted, a line break at the end."""
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
