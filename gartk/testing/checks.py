"""What the contracts share: the failure they raise, how they build a part, and small comparisons."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from gartk.errors import ConfigError
from gartk.models.part import Part
from gartk.registry import PartRegistry

T = TypeVar("T")
M = TypeVar("M", bound=Part)

PartSpec = str | Mapping[str, Any] | Callable[..., Any]
"""How a part is named to a contract: a registered name, a config with ``type``, or a class."""


class ContractViolation(AssertionError):
    """A part breaks a promise of its kind; the text says which and how."""


def require(holds: bool, promise: str, got: str = "") -> None:
    """Raise ContractViolation where a promise does not hold."""
    if not holds:
        raise ContractViolation(f"{promise}{f' Got: {got}.' if got else ''}")


def as_config(spec: PartSpec) -> dict[str, Any]:
    """Turn a name, a class or a config into a config."""
    return dict(spec) if isinstance(spec, Mapping) else {"type": spec}


def build_part(registry: PartRegistry[T], spec: PartSpec, **offer: Any) -> T:
    """Build a part from arguments that went through pickle, as they do on their way to a worker."""
    arguments = as_config(spec)
    kind = arguments.pop("type", None)
    config = {"type": kind, **pickled(arguments, "The config of a part")}
    try:
        return registry.build(config, offer=offer)
    except ConfigError as error:
        raise ContractViolation(f"The part is built from its config. Got: {error}") from error


def pickled(thing: Any, what: str) -> Any:
    """Send something through pickle, and require that this works."""
    try:
        return pickle.loads(pickle.dumps(thing))
    except Exception as error:
        raise ContractViolation(f"{what} can be pickled, for data workers. Got: {error!r}.") from error


def build_module(registry: PartRegistry[M], spec: PartSpec, *, seed: int = 0, **offer: Any) -> M:
    """Build a part of a model with seeded weights, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_part(registry, spec, **offer).eval()


def require_shape(tensor: Any, shape: tuple[int, ...], what: str) -> None:
    """Require a tensor of this very shape."""
    require(isinstance(tensor, Tensor), f"{what} is a tensor.", type(tensor).__name__)
    require(tuple(tensor.shape) == shape, f"{what} has the shape {shape}.", str(tuple(tensor.shape)))


def require_finite(tensor: Tensor, what: str) -> None:
    """Require that a tensor has neither NaN nor infinity."""
    bad = int((~torch.isfinite(tensor)).sum())
    require(bad == 0, f"{what} is finite.", f"{bad} of {tensor.numel()} numbers are not")


def require_close(left: Tensor, right: Tensor, promise: str, *, tolerance: float = 1e-5) -> None:
    """Require that two tensors agree up to rounding."""
    require(left.shape == right.shape, promise, f"shapes {tuple(left.shape)} and {tuple(right.shape)}")
    worst = float((left.float() - right.float()).abs().max()) if left.numel() else 0.0
    require(worst <= tolerance, promise, f"a difference of {worst:.3g}, allowed {tolerance:g}")


def require_same(left: Tensor, right: Tensor, promise: str) -> None:
    """Require that two tensors are bit-identical."""
    require(torch.equal(left, right), promise)
