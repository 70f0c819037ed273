"""Qwen2.5-VL's decoder: every token has a place in time, in height and in width (M-RoPE)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import nn
from transformers import GenerationMixin, Qwen2_5_VLConfig, Qwen2_5_VLTextConfig, Qwen2_5_VLTextModel
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLPreTrainedModel

from gartk.errors import CheckpointError, ConfigError, did_you_mean
from gartk.models.building import build_network
from gartk.models.llms.base import LLMS
from gartk.models.llms.causal_lm import CausalLM
from gartk.models.llms.mrope_positions import POLICIES, mrope_positions

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import Batch

_VISION = ("<|vision_start|>", "<|vision_end|>")


class Qwen2_5_VLTextForCausalLM(Qwen2_5_VLPreTrainedModel, GenerationMixin):
    """The decoder of Qwen2.5-VL with its head, without a vision tower and without state between calls.

    Weights are named as in other causal language models of transformers: ``model.*`` and ``lm_head.*``.
    """

    config_class = Qwen2_5_VLTextConfig
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config: Qwen2_5_VLTextConfig) -> None:
        super().__init__(config)
        self.model = Qwen2_5_VLTextModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int = 0,
        **options: Any,
    ) -> CausalLMOutputWithPast:
        """Return the logits of the last ``logits_to_keep`` tokens (0: of all); ``options`` go to the decoder.

        Shapes: input_ids (B, L) or inputs_embeds (B, L, D); attention_mask (B, past + L); position_ids
        (3, B, L); logits (B, L, V).
        """
        output = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **options,
        )
        logits = self.lm_head(output.last_hidden_state[:, -logits_to_keep:])
        return CausalLMOutputWithPast(logits=logits, past_key_values=output.past_key_values)


@LLMS.register()
class Qwen2_5_VLDecoder(CausalLM):
    """The decoder of Qwen2.5-VL: a CausalLM whose tokens have positions in three axes.

    Text counts on in all three. A tile of the global image is a block of rows and columns that starts
    where the text stopped and moves it on by the longer side. ``position_policy`` says where the local
    tokens of a region are: ``"virtual_image"``, a block like an image of their own; ``"sequential"``,
    one after the other like text; ``"source"``, inside the global image, where the region is.

    Everything else is as in CausalLM; ``config`` holds arguments of Qwen2_5_VLTextConfig, with
    ``model_type="qwen2_5_vl_text"``.

    Raises: ConfigError for contradicting arguments; CheckpointError for missing weights, or a
    checkpoint of another model.
    Source: Qwen2.5-VL; the paper leaves the positions of replayed tokens open.
    """

    def __init__(
        self,
        *,
        position_policy: str = "virtual_image",
        pretrained: str | None = None,
        config: dict[str, Any] | None = None,
        tokenizer: str | None = None,
        chat: dict[str, Any],
        image: str = "<|image_pad|>",
        prompt: str = "<Prompt{}>",
        region: str | Sequence[str] = "<|region_pad_{}|>",
        region_offset: int = 0,
        num_prompts: int = 16,
        image_wrap: tuple[str, str] = _VISION,
        region_wrap: tuple[str, str] = _VISION,
        attention: str = "sdpa",
        gradient_checkpointing: bool = False,
        lora: dict[str, Any] | None = None,
    ) -> None:
        if position_policy not in POLICIES:
            hint = did_you_mean(position_policy, POLICIES)
            raise ConfigError(f"model.llm.position_policy {position_policy!r} is unknown.\n  {hint}")
        super().__init__(
            pretrained=pretrained,
            config=config,
            tokenizer=tokenizer,
            chat=chat,
            image=image,
            prompt=prompt,
            region=region,
            region_offset=region_offset,
            num_prompts=num_prompts,
            image_wrap=image_wrap,
            region_wrap=region_wrap,
            attention=attention,
            gradient_checkpointing=gradient_checkpointing,
            lora=lora,
        )
        self.position_policy = position_policy

    def positions(self, batch: Batch, *, token_hw: tuple[int, int] | None = None) -> Tensor:
        """Return the time, row and column of every token: (3, B, L), int64, or float32 under "source".

        Where the local tokens of a region form no picture (``token_hw`` is None) they count as text.

        Raises: ConfigError if they do not form the picture that ``token_hw`` says, or if "source" finds
        no picture of the whole image to place them in.
        """
        return mrope_positions(
            batch,
            image_id=self.image_id,
            region_ids=self.region_ids,
            token_hw=token_hw,
            policy=self.position_policy,
        )

    def _read_configs(self, pretrained: str) -> tuple[dict[str, Any], dict[str, Any]]:
        raw, _ = super()._read_configs(pretrained)
        if raw.get("model_type") != "qwen2_5_vl":
            raise CheckpointError(f"{pretrained} is no Qwen2.5-VL: model_type is {raw.get('model_type')!r}.")
        # Published configs say at the top level what others say in text_config.
        config: Any = Qwen2_5_VLConfig(**raw)
        return raw, config.text_config.to_dict()

    @staticmethod
    def _from_config(config: Any, attention: str) -> Any:
        if not isinstance(config, Qwen2_5_VLTextConfig):
            raise ConfigError(
                "Qwen2_5_VLDecoder needs config=dict(model_type='qwen2_5_vl_text', ...);"
                f" got model_type {config.model_type!r}. CausalLM takes other decoders."
            )
        lm = build_network(Qwen2_5_VLTextForCausalLM._from_config, config, attention)
        lm.tie_weights()  # blank weights leave that out
        return lm
