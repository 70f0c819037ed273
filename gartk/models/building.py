"""How the networks of a part come into being: number type, blank weights, attention, checkpointing, LoRA."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint
from transformers import initialization

from gartk.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

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


class _NewFloats(TorchFunctionMode):
    """Makes floating-point tensors of one type where nothing else is said, in this thread only."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if kwargs.get("dtype") is None and (
            func in _OF_FLOATS or (func in _LIKE_THEIR_DATA and _is_float(args, kwargs))
        ):
            kwargs = {**kwargs, "dtype": self.dtype}
        return func(*args, **kwargs)


class _NoDraws(TorchFunctionMode):
    """Draws no new weights, in this thread only.

    Where a tensor is drawn directly it becomes the mean or the lower end, which loops that draw until all
    numbers lie within bounds can live with.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _INITS:
            return args[0] if args else kwargs["tensor"]
        if func in _DRAWS:
            start = args[1] if len(args) > 1 else kwargs.get(_DRAWS[func], 0.0)
            return args[0].fill_(start)
        return func(*args, **kwargs)


_OF_FLOATS = frozenset(
    {torch.empty, torch.empty_strided, torch.ones, torch.zeros, torch.eye}
    | {torch.rand, torch.randn, torch.linspace, torch.logspace}
)
_LIKE_THEIR_DATA = frozenset({torch.tensor, torch.as_tensor, torch.scalar_tensor, torch.full, torch.arange})
# transformers puts its own in the place of torch's while it initialises a network.
_INITS = frozenset(
    getattr(module, name)
    for module in (nn.init, initialization)
    for name in ("normal_", "uniform_", "kaiming_uniform_", "constant_")
)
_DRAWS = {torch.Tensor.normal_: "mean", torch.Tensor.uniform_: "from"}
_DTYPE: ContextVar[torch.dtype | None] = ContextVar("new_weights_as", default=None)


def _is_float(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether plain numbers, or lists of them, hold a float."""
    given = [*args, *kwargs.values()]
    while any(isinstance(value, list | tuple) for value in given):
        given = [n for value in given for n in (value if isinstance(value, list | tuple) else (value,))]
    return any(isinstance(value, float) for value in given)


@contextmanager
def new_weights_as(dtype: torch.dtype | None) -> Iterator[None]:
    """Inside, new weights get this type; None leaves torch's default.

    It holds for this thread and task only: torch's own default belongs to the whole process and stays.
    """
    token = _DTYPE.set(dtype)
    try:
        with nullcontext() if weights_dtype() == torch.get_default_dtype() else _NewFloats(weights_dtype()):
            yield
    finally:
        _DTYPE.reset(token)


def weights_dtype() -> torch.dtype:
    """The floating-point type that new weights get here."""
    return _DTYPE.get() or torch.get_default_dtype()


def blank_weights(blank: bool = True) -> AbstractContextManager[Any]:
    """Inside, new networks are not initialised at random: a file brings all of their weights.

    It holds for this thread only, where transformers' own switch would blank the networks of all.
    """
    return _NoDraws() if blank else nullcontext()


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


def build_network(create: Callable[..., Any], config: Any, attention: str) -> Any:
    """Build a network of transformers in the type of new weights.

    ``create`` is ``from_config`` of an auto class or ``_from_config`` of a model. It is not told the type,
    since it would change torch's default for the whole process; nor of flash-attn, which asks for the type.
    """
    flash = attention == "flash_attention_2"
    network = create(config, attn_implementation="sdpa" if flash else attention, dtype=None)
    network.config.dtype = weights_dtype()
    if flash:
        network.set_attn_implementation(attention)
    forget_lengths(network)
    return network


def forget_lengths(network: nn.Module) -> None:
    """Make rotary positions that stretch with the text depend on the text of the call alone.

    In transformers they remember the longest text so far in the module, where the next call, or one in
    another thread, would find it.
    """
    for module in network.modules():
        kinds = getattr(module, "rope_type", None)
        for kind in kinds.values() if isinstance(kinds, Mapping) else [kinds]:
            if kind is not None and ("dynamic" in kind or kind == "longrope"):
                module.forward = MethodType(_forward_of_a_copy, module)


def _forward_of_a_copy(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
    own = copy.copy(module)
    own._buffers = {name: None if one is None else one.clone() for name, one in module._buffers.items()}
    return type(module).forward(own, *args, **kwargs)


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


def checkpoint_layers(layers: Iterable[nn.Module]) -> None:
    """Recompute the activations of layers in the backward pass, as transformers does it.

    What hooks add behind a layer is outside and runs once; timm's own switch would run it again in the
    backward pass, where the call that it belongs to is over.
    """
    for layer in layers:
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)


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
