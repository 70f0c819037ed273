"""How the networks of a part come into being: number type, blank weights, attention, checkpointing, LoRA."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from transformers.initialization import no_init_weights

from gartk.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import nn

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
ATTENTIONS = ("sdpa", "eager", "flash_attention_2")


def number_type(name: str | torch.dtype) -> torch.dtype:
    """Turn the name of a floating-point type into the type.

    Raises: ConfigError naming the known ones.
    """
    if isinstance(name, torch.dtype):
        return name
    if name not in DTYPES:
        raise ConfigError(f"dtype must be one of {', '.join(DTYPES)}; got {name!r}.")
    return DTYPES[name]


@contextmanager
def new_weights_as(dtype: torch.dtype | None) -> Iterator[None]:
    """Inside, new weights get this type; None leaves torch's default."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype or before)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def blank_weights(blank: bool = True) -> AbstractContextManager[None]:
    """Inside, new networks are not initialised at random: a file brings all of their weights."""
    return no_init_weights() if blank else nullcontext()


def check_attention(attention: str, part: str) -> str:
    """Check the name of an attention implementation.

    Raises: ConfigError for an unknown name, or flash-attn where it is not installed.
    """
    from transformers.utils.import_utils import is_flash_attn_2_available

    if attention not in ATTENTIONS:
        hint = did_you_mean(attention, ATTENTIONS)
        raise ConfigError(f"{part}.attention {attention!r} is unknown.\n  {hint}")
    if attention == "flash_attention_2" and not is_flash_attn_2_available():
        raise ConfigError(
            f"{part}.attention is 'flash_attention_2', but flash-attn is not installed or there is no CUDA"
            " device. Install flash-attn, or use 'sdpa' (torch's own, which has flash kernels too)."
        )
    return attention


def set_timm_attention(vit: Any, attention: str, part: str) -> None:
    """Choose the attention of a timm transformer, which switches between torch's sdpa and plain code.

    Raises: ConfigError for anything else.
    """
    if check_attention(attention, part) == "flash_attention_2":
        raise ConfigError(
            f"{part}.attention 'flash_attention_2' does not exist for timm towers. Use 'sdpa', which picks"
            " torch's flash kernels where they serve."
        )
    for block in vit.blocks:
        block.attn.fused_attn = attention == "sdpa"


def checkpoint_activations(network: Any) -> None:
    """Recompute the activations of a transformers network in the backward pass.

    Raises: ConfigError if the network cannot.
    """
    # transformers 5.23 has the new name, older ones the old.
    new = getattr(network, "activation_checkpointing_enable", None)
    try:
        (new or network.gradient_checkpointing_enable)({"use_reentrant": False})
    except ValueError as error:
        raise ConfigError(f"gradient_checkpointing: {error}") from error


def add_lora(network: nn.Module, settings: Mapping[str, Any] | None, part: str, **extra: Any) -> None:
    """Put low-rank adapters into a network and stop the gradients of everything else in it.

    ``settings`` are arguments of peft's LoraConfig (``dict(r=16, lora_alpha=32,
    target_modules=["q_proj", "v_proj"])``); None does nothing. ``extra`` is taken where they do not
    say otherwise.

    Raises: ConfigError without peft, or if the settings name no module of the network.
    """
    if settings is None:
        return
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ConfigError(f"{part}.lora needs peft: pip install 'gartk[peft]'.") from error
    try:
        inject_adapter_in_model(LoraConfig(**{**extra, **settings}), network)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{part}.lora cannot be used: {error}") from error


def merge_lora(model: nn.Module) -> int:
    """Add every low-rank adapter of a model to the weights it stands beside, and drop it.

    The modules get their plain names and types back. Gives the number of adapters.
    """
    try:
        from peft.tuners.tuners_utils import BaseTunerLayer
    except ImportError:
        return 0
    found = [(name, module) for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)]
    for name, layer in found:
        layer.merge()
        # Trained tokens stand one level deeper, in a wrapper of their own.
        parent, _, child = name.removesuffix(".token_adapter").rpartition(".")
        setattr(model.get_submodule(parent), child, layer.get_base_layer())
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return len(found)
