"""A causal language model of transformers with its tokenizer, chat markup and prompt tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import AddedToken
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedConfig

from gartk.errors import CheckpointError, ConfigError
from gartk.models.building import (
    add_lora,
    blank_weights,
    build_network,
    check_attention,
    checkpoint_activations,
)
from gartk.models.llms.base import LLMS, LanguageModel
from gartk.models.weights import (
    CONFIG_NAME,
    TOKENIZER_NAME,
    has_weights,
    is_structure_only,
    load_prefixed,
    read_config,
    read_hf_config,
    resolve_pretrained,
)
from gartk.structures import ChatFormat, PromptTokens

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from gartk.structures import Batch

# Where checkpoints keep the decoder: inside a multimodal model, inside the release, or alone.
DECODER_PREFIXES = (
    "model.language_model.",
    "mllm.model.language_model.",
    "language_model.model.",
    "language_model.",
    "model.",
)
HEAD_PREFIXES = ("lm_head.", "mllm.lm_head.", "language_model.lm_head.")
ASSETS = Path(__file__).resolve().parents[2] / "assets"


@LLMS.register()
class CausalLM(LanguageModel):
    """A decoder with 1-D positions, read and generated from embeddings.

    Either ``pretrained`` names a checkpoint (of a language model, or of a multimodal model whose
    decoder is taken), or ``config`` describes a decoder with random weights
    (``dict(model_type="llama", ...)``; its vocabulary is that of the tokenizer). ``tokenizer`` is a
    folder, a hub id or ``"tiny"`` (shipped); by default the checkpoint's own.

    ``prompt`` and ``region`` are patterns for the tokens of region i; ``region_offset`` shifts the
    number in ``region``, which may also be a list of ``num_prompts`` names. Missing tokens are added; the
    vocabulary only ever grows. ``lora`` holds arguments of peft's LoraConfig; the embeddings of the prompt
    tokens are trained beside it.

    Raises: ConfigError for contradicting arguments; CheckpointError for missing weights.
    """

    def __init__(
        self,
        *,
        pretrained: str | None = None,
        config: dict[str, Any] | None = None,
        tokenizer: str | None = None,
        chat: dict[str, Any],
        image: str = "<|image|>",
        prompt: str = "<Prompt{}>",
        region: str | Sequence[str] = "<|region_pad_{}|>",
        region_offset: int = 0,
        num_prompts: int = 16,
        image_wrap: tuple[str, str] = ("", ""),
        region_wrap: tuple[str, str] = ("", ""),
        attention: str = "sdpa",
        gradient_checkpointing: bool = False,
        lora: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if (pretrained is None) == (config is None):
            raise ConfigError("CausalLM needs either 'pretrained' or 'config'.")
        if config is not None and tokenizer is None:
            raise ConfigError("CausalLM with 'config' needs a 'tokenizer' (a folder, a hub id or 'tiny').")
        self.prompt_pattern, self.region_pattern = prompt, region
        self.region_offset = region_offset
        tokens = PromptTokens(
            image=image,
            prompts=[prompt.format(i) for i in range(num_prompts)],
            regions=_region_names(region, region_offset, num_prompts),
            image_wrap=(image_wrap[0], image_wrap[1]),
            region_wrap=(region_wrap[0], region_wrap[1]),
        )
        self.chat = ChatFormat(**chat)
        self.tokenizer = load_tokenizer(tokenizer or str(pretrained))
        add_prompt_tokens(self.tokenizer, tokens)
        self.use_tokens(tokens)
        self.lm = self._decoder(pretrained, config, check_attention(attention, "model.llm"))
        if len(self.tokenizer) > self.embed_rows:
            self.lm.resize_token_embeddings(len(self.tokenizer))
        if gradient_checkpointing:
            checkpoint_activations(self.lm)
        self.hidden_size = int(self.lm.get_input_embeddings().weight.shape[1])
        vocab = self.tokenizer.get_vocab()
        prompts = {"embed_tokens": sorted(vocab[name] for name in tokens.prompts)}
        add_lora(self.lm, lora, "model.llm", trainable_token_indices=prompts)
        end = self.tokenizer.encode(self.chat.after["assistant"], add_special_tokens=False)
        if not end:
            raise ConfigError("chat.after['assistant'] must close the answer, e.g. with '<|eot_id|>'.")
        self.end_id = int(end[0])

    def use_tokens(self, tokens: PromptTokens) -> None:
        """Take these tokens, which the tokenizer has, as the prompts and placeholders."""
        vocab = self.tokenizer.get_vocab()
        self.tokens = tokens
        self.image_id = vocab[tokens.image]
        self.region_ids = [vocab[name] for name in tokens.regions]
        self._markup = markup_ids(self.tokenizer, tokens)

    @property
    def embed_rows(self) -> int:
        """How many tokens have an embedding, rows beyond the tokenizer's included."""
        return int(self.lm.get_input_embeddings().weight.shape[0])

    def embed(self, input_ids: Tensor) -> Tensor:
        """Look up embeddings: (B, L) -> (B, L, D)."""
        return self.lm.get_input_embeddings()(input_ids)

    def positions(self, batch: Batch, *, token_hw: tuple[int, int] | None = None) -> Tensor:
        """Return the position of every token: (B, L), counting the unpadded tokens.

        ``token_hw`` is the picture that a region's local tokens form; it does not count here.
        """
        return count_tokens(batch.attention_mask)

    def hidden(self, embeddings: Tensor, attention_mask: Tensor, positions: Tensor) -> Tensor:
        """Run the decoder: (B, L, D) -> (B, L, D)."""
        output = self.lm.get_decoder()(
            inputs_embeds=embeddings, attention_mask=attention_mask, position_ids=positions, use_cache=False
        )
        return output.last_hidden_state

    def head(self, hidden: Tensor) -> Tensor:
        """Turn hidden states (..., D) into logits (..., V)."""
        return self.lm.get_output_embeddings()(hidden)

    @torch.no_grad()
    def generate(
        self,
        embeddings: Tensor,
        attention_mask: Tensor,
        positions: Tensor,
        *,
        max_new_tokens: int,
        **sampling: Any,
    ) -> Tensor:
        """Continue left-padded rows: (B, L, D) -> (B, at most max_new_tokens) new ids.

        ``sampling`` goes to transformers' generate; without it decoding is greedy.
        """
        pad = self.tokenizer.pad_token_id
        options = {"do_sample": False, "num_beams": 1, **sampling}
        return self.lm.generate(
            inputs_embeds=embeddings,
            attention_mask=attention_mask,
            position_ids=positions,
            max_new_tokens=max_new_tokens,
            eos_token_id=self.end_id,
            pad_token_id=pad if pad is not None else self.end_id,
            **options,
        )

    def decode(self, ids: Tensor) -> str:
        """Turn new ids into text; ``<Prompt i>`` stays, also where it is a special token, markup goes."""
        kept = [i for i in ids.tolist() if i not in self._markup]
        return str(self.tokenizer.decode(kept, skip_special_tokens=False)).strip()

    def output_weight(self) -> nn.Parameter:
        """Return the matrix of the output head."""
        weight: nn.Parameter = self.lm.get_output_embeddings().weight
        return weight

    def saved_cfg(self) -> dict[str, Any]:
        """Return what rebuilds this model: its config, and the tokenizer of the checkpoint."""
        config = self.lm.config.to_diff_dict()
        config["model_type"] = self.lm.config.model_type
        config["tie_word_embeddings"] = bool(self.lm.config.tie_word_embeddings)
        config["vocab_size"] = self.embed_rows
        for key in ("transformers_version", "architectures", "dtype", "_name_or_path"):
            config.pop(key, None)
        saved = {"pretrained": None, "config": config, "tokenizer": f"./{TOKENIZER_NAME}"}
        saved["num_prompts"] = len(self.tokens.prompts)
        if not isinstance(self.region_pattern, str):
            saved["region"] = list(self.tokens.regions)
        return saved

    def _decoder(self, pretrained: str | None, config: dict[str, Any] | None, attention: str) -> Any:
        if pretrained is None:
            settings = {"vocab_size": len(self.tokenizer), **(config or {})}
            hf_config = AutoConfig.for_model(**settings)
            return self._from_config(hf_config, attention)
        raw, text = self._read_configs(pretrained)
        # The flags of a multimodal config and of its decoder may differ; the weights do not lie.
        tied = text.get("tie_word_embeddings", raw.get("tie_word_embeddings", False))
        has_head = not tied if is_structure_only() else has_weights(pretrained, HEAD_PREFIXES)
        hf_config = AutoConfig.for_model(**{**text, "tie_word_embeddings": not has_head})
        # Not the file's dtype but the model's, float32 unless said otherwise: small updates vanish in bf16.
        with blank_weights():
            lm = self._from_config(hf_config, attention)
        load_prefixed(lm.get_decoder(), pretrained, DECODER_PREFIXES)
        if has_head and not is_structure_only():
            load_prefixed(lm.get_output_embeddings(), pretrained, HEAD_PREFIXES)
            _tie_if_equal(lm, text.get("tie_word_embeddings") or raw.get("tie_word_embeddings"))
        return lm

    def _read_configs(self, pretrained: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read the config of a checkpoint, and in it that of its decoder."""
        raw = read_hf_config(pretrained)
        raw = raw.get("mllm_config", raw)
        text = raw.get("text_config", raw)
        if "model_type" not in text:
            raise CheckpointError(f"{pretrained} has no language model: its config names no model_type.")
        return raw, text

    @staticmethod
    def _from_config(config: Any, attention: str) -> Any:
        lm = build_network(AutoModelForCausalLM.from_config, config, attention)
        lm.tie_weights()  # blank weights leave that out
        return lm


def _region_names(region: str | Sequence[str], offset: int, count: int) -> list[str]:
    if isinstance(region, str):
        return [region.format(i + offset) for i in range(count)]
    if len(region) != count:
        raise ConfigError(f"model.llm.region lists {len(region)} tokens for num_prompts={count} regions.")
    return list(region)


def count_tokens(attention_mask: Tensor) -> Tensor:
    """Number the unpadded tokens of every row from 0: (B, L) -> (B, L)."""
    return (attention_mask.cumsum(-1) - 1).clamp(min=0)


def _tie_if_equal(lm: Any, wanted: bool | None) -> None:
    """Tie the head again where a checkpoint of a tied model stores it a second time."""
    if wanted and torch.equal(lm.get_output_embeddings().weight, lm.get_input_embeddings().weight):
        lm.config.tie_word_embeddings = True
        lm.tie_weights()


def load_tokenizer(source: str) -> PreTrainedTokenizerBase:
    """Load a fast tokenizer from a folder, a hub id, or ``"tiny"`` from the package.

    With ``structure_only`` the tiny one stands in for one that is not at hand.

    Raises: CheckpointError if the folder holds none.
    """
    folder = ASSETS / "tiny_tokenizer" if source == "tiny" else resolve_pretrained(source)
    if is_structure_only() and not list(folder.glob("tokenizer*")):
        folder = ASSETS / "tiny_tokenizer"
    try:
        return AutoTokenizer.from_pretrained(
            str(folder), use_fast=True, config=_stand_in_config(folder), trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} holds no tokenizer that transformers can load: {error}") from error


def _stand_in_config(folder: Path) -> PreTrainedConfig | None:
    """What AutoTokenizer is to read in place of a config of a model that transformers does not know.

    It would warn of it, or ask whether to run code that the folder names.
    """
    path = folder / CONFIG_NAME
    kind = read_config(path).get("model_type") if path.is_file() else None
    return None if kind is None or kind in CONFIG_MAPPING else PreTrainedConfig()


def markup_ids(tokenizer: PreTrainedTokenizerBase, tokens: PromptTokens) -> frozenset[int]:
    """The ids that text leaves out: special tokens, but not ``<Prompt i>`` where it is one."""
    added = tokenizer.added_tokens_decoder.items()
    return frozenset(i for i, token in added if token.special and token.content not in tokens.prompts)


def add_prompt_tokens(tokenizer: PreTrainedTokenizerBase, tokens: PromptTokens) -> int:
    """Add the prompt and placeholder tokens that a vocabulary lacks; give their number.

    ``<Prompt i>`` is added as a plain token, so that decoding keeps it in answers.
    """
    known = tokenizer.get_vocab()
    prompts = [AddedToken(t, special=False, normalized=False) for t in tokens.prompts if t not in known]
    missing = [t for t in (tokens.image, *tokens.regions) if t not in known]
    places = [AddedToken(t, special=True, normalized=False) for t in missing]
    return int(tokenizer.add_tokens(prompts)) + int(tokenizer.add_tokens(places, special_tokens=True))
