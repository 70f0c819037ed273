"""gartk models as transformers loads them: import this module, then use the Auto classes.

    import gartk.hf
    from transformers import AutoModelForImageTextToText
    model = AutoModelForImageTextToText.from_pretrained("folder", dtype="bfloat16")
    model.assistant().describe("photo.jpg", [(40, 30, 200, 180)])

Nothing in the folder is executed; the classes are those below. ``gartk convert MODEL OUT --to hf`` writes
such a folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from gartk.checkpoints import Checkpoint
from gartk.checkpoints.checkpoint import SHARD_SIZE
from gartk.checkpoints.huggingface import ARCHITECTURE, HF_MODEL_TYPE, GartkConfig, HuggingFaceFormat
from gartk.data.prompting import IGNORE
from gartk.errors import ConfigError, did_you_mean
from gartk.inference.api import RegionAssistant
from gartk.models.building import number_type
from gartk.models.placement import place
from gartk.models.region_vlm import Generated, RegionVLM
from gartk.models.weights import resolve_pretrained

if TYPE_CHECKING:
    from gartk.structures import Batch

# Arguments of from_pretrained that change nothing here: weights are read strictly, and only safetensors.
_NO_EFFECT = {
    "adapter_kwargs",
    "low_cpu_mem_usage",
    "trust_remote_code",
    "use_safetensors",
    "weights_only",
    "_commit_hash",
    "_from_auto",
    "_from_pipeline",
}


class GartkForConditionalGeneration(PreTrainedModel):
    """A RegionVLM as a model of transformers, its weights under the same names.

    ``region_vlm`` is the model itself, with which this one shares its parts; ``assistant()`` describes
    regions and answers questions. Batches are made by ``region_vlm.make_processor()``.

    Raises: ConfigError if it is built without a RegionVLM and the config says none.
    """

    config_class = GartkConfig
    base_model_prefix = ""
    main_input_name = "batch"
    region_vlm: RegionVLM

    def __init__(self, config: GartkConfig, region_vlm: RegionVLM | None = None) -> None:
        super().__init__(config)
        if region_vlm is None:
            raise ConfigError(
                f"{ARCHITECTURE} is made from a checkpoint: {ARCHITECTURE}.from_pretrained(folder), or of a"
                " RegionVLM: GartkForConditionalGeneration(config, region_vlm)."
            )
        for name, part in region_vlm.named_children():
            setattr(self, name, part)
        # Not as a module of its own: every weight would have a second name.
        self.__dict__["region_vlm"] = region_vlm

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        pretrained_model_name_or_path: str | Path,
        *model_args: Any,
        config: GartkConfig | None = None,
        dtype: str | torch.dtype | None = "auto",
        device_map: str | dict[str, Any] | None = None,
        output_loading_info: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Load a folder that gartk exported, or one of the hub.

        Every weight of the model has to be in the files, in its shape, and nothing else; so nothing is
        drawn at random, and what was zero is zero.

        Args:
            dtype: "auto" leaves weights in the type of the files; else "float32", "bfloat16", "float16".
            device_map: spreads the model over devices, as in ``gartk.load``.

        Raises: CheckpointError naming what is missing; ConfigError for arguments that it does not take.
        """
        dtype = kwargs.pop("torch_dtype", dtype)
        _refuse(model_args, kwargs)
        folder = resolve_pretrained(str(pretrained_model_name_or_path))
        checkpoint = HuggingFaceFormat().read(folder)
        if config is not None and config.model is not None:
            checkpoint.cfg = dict(config.model)
        wanted = checkpoint.dtype if dtype in (None, "auto") else number_type(dtype)
        vlm = checkpoint.build(device="cpu", dtype=wanted)
        if config is None:
            config = cls.config_class.from_pretrained(folder)
        config.dtype = wanted
        model = cls(config, vlm).eval()
        if device_map is not None:
            place(model, device_map)
        info: dict[str, Any] = {name: [] for name in ("missing_keys", "unexpected_keys", "mismatched_keys")}
        return (model, info) if output_loading_info else model

    def save_pretrained(  # type: ignore[override]
        self, save_directory: str | Path, *, max_shard_size: str = SHARD_SIZE
    ) -> None:
        """Write a folder that ``from_pretrained`` loads, its model card included."""
        Checkpoint.save(
            self.region_vlm,
            save_directory,
            format=HuggingFaceFormat.name,
            info=self.config.info,
            max_shard_size=max_shard_size,
        )

    def forward(self, batch: Batch) -> CausalLMOutput:
        """Return the logits of every position, and the loss where the batch has labels."""
        logits = self.region_vlm(batch)
        labelled = bool((batch.labels[:, 1:] != IGNORE).any(1).all())
        loss = self.region_vlm.loss(batch)["loss"] if labelled else None
        return CausalLMOutput(loss=loss, logits=logits)

    def generate(self, batch: Batch, **options: Any) -> list[Generated]:
        """Answer every row of a left-padded batch; see ``RegionVLM.generate``."""
        return self.region_vlm.generate(batch, **options)

    def assistant(self) -> RegionAssistant:
        """Return the object that describes regions and answers questions about them."""
        return RegionAssistant(self.region_vlm, origin=str(self.config.name_or_path))

    def train(self, mode: bool = True) -> GartkForConditionalGeneration:
        """Switch this model and its RegionVLM between training and evaluation."""
        super().train(mode)
        if "region_vlm" in self.__dict__:
            self.region_vlm.training = mode
        return self

    def get_input_embeddings(self) -> torch.nn.Module:
        """The embedding of the language model."""
        llm: Any = self.region_vlm.llm
        module: torch.nn.Module = llm.lm.get_input_embeddings()
        return module

    def get_output_embeddings(self) -> torch.nn.Module:
        """The head of the language model."""
        llm: Any = self.region_vlm.llm
        module: torch.nn.Module = llm.lm.get_output_embeddings()
        return module


def _refuse(positional: tuple[Any, ...], named: dict[str, Any]) -> None:
    given = {name: value for name, value in named.items() if value is not None and name not in _NO_EFFECT}
    given = {name: value for name, value in given.items() if value is not False and value != "main"}
    if positional or given:
        known = ["config", "dtype", "device_map", "output_loading_info", *_NO_EFFECT]
        name = next(iter(given), "positional arguments")
        raise ConfigError(
            f"{ARCHITECTURE}.from_pretrained does not take {name!r}.\n  {did_you_mean(name, known)}"
            " For another revision or cache, download the folder first and give its path."
        )


AutoConfig.register(HF_MODEL_TYPE, GartkConfig, exist_ok=True)
AutoModel.register(GartkConfig, GartkForConditionalGeneration, exist_ok=True)
AutoModelForImageTextToText.register(GartkConfig, GartkForConditionalGeneration, exist_ok=True)
