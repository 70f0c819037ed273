"""What the contracts share: the failure they raise, how they build a part, and small comparisons."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import torch
from torch import Tensor

from gartk.models.building import blank_weights
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


@contextmanager
def promised(promise: str) -> Iterator[None]:
    """Turn any error inside into a ContractViolation that says what was promised."""
    try:
        yield
    except ContractViolation:
        raise
    except Exception as error:
        raise ContractViolation(f"{promise} Got: {type(error).__name__}: {error}") from error


def as_config(spec: PartSpec) -> dict[str, Any]:
    """Turn a name, a class or a config into a config."""
    return dict(spec) if isinstance(spec, Mapping) else {"type": spec}


def build_part(registry: PartRegistry[T], spec: PartSpec, **offer: Any) -> T:
    """Build a part from arguments that went through pickle, as they do on their way to a worker."""
    arguments = as_config(spec)
    kind = arguments.pop("type", None)
    config = {"type": kind, **pickled(arguments, "The config of a part")}
    with promised("The part is built from its config."):
        return registry.build(config, offer=offer)


def pickled(thing: Any, what: str) -> Any:
    """Send something through pickle, and require that this works."""
    with promised(f"{what} can be pickled, for data workers."):
        return pickle.loads(pickle.dumps(thing))


def build_module(registry: PartRegistry[M], spec: PartSpec, *, seed: int = 0, **offer: Any) -> M:
    """Build a part of a model with seeded weights, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_part(registry, spec, **offer).eval()


def check_bf16(part: M, run: Callable[[M], Tensor], promise: str) -> None:
    """Require that a part runs with bf16 weights and gives bf16; it stays in bf16."""
    with promised(promise):
        output = run(part.to(torch.bfloat16))
    require(output.dtype == torch.bfloat16, promise, str(output.dtype))
    require_finite(output, "The output in bf16")


def check_rebuilt(
    registry: PartRegistry[M],
    spec: PartSpec,
    run: Callable[[M], Tensor],
    *,
    seed: int = 0,
    keep: Callable[[M, Path], Mapping[str, Any]] | None = None,
    **offer: Any,
) -> None:
    """Require that a part comes back from its checkpoint alone, with the same output.

    It is built from copies of the files and folders that its config names, its weights are moved away from
    their start, and the copies are deleted. What then rebuilds it is what a checkpoint holds: its config
    with ``saved_cfg()`` as JSON, and its state_dict.

    Args:
        run: gives an output of the part.
        keep: writes what else a checkpoint holds of the part into a folder; gives the arguments that name it.

    Raises: ContractViolation if the part needs a source, or its output is another.
    """
    with TemporaryDirectory() as kept, TemporaryDirectory() as sources:
        config = {"type": None, **with_copies(as_config(spec), Path(sources))}
        kind = config.pop("type")
        with promised("The part is built, and runs, from its config."):
            part = build_module(registry, {"type": kind, **config}, seed=seed, **offer)
            stir(part, seed)
            wanted = run(part)
        saved = {**config, **part.saved_cfg()}
        if keep is not None:
            saved |= keep(part, Path(kept))
        with promised("saved_cfg() and the arguments of the config are JSON, as in a checkpoint."):
            saved = json.loads(json.dumps(saved))
        weights = {name: value.clone() for name, value in part.state_dict().items()}
        require(sources not in json.dumps(saved), "saved_cfg() names no file of the source.", str(saved))
        shutil.rmtree(sources)
        Path(sources).mkdir()  # for the end of the block
        promise = (
            "A second one from the config, saved_cfg() and the state_dict gives the same, without a source."
        )
        with promised(promise), blank_weights():
            twin = build_module(registry, {"type": kind, **saved}, seed=seed + 1, **offer)
            twin.load_state_dict(weights)
            again = run(twin)
        require_same(again, wanted, promise)


def with_copies(value: Any, folder: Path) -> Any:
    """Copy the files and folders that a config names by a path into a folder, and name the copies."""
    if isinstance(value, Mapping):
        return {key: with_copies(one, folder) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(with_copies(one, folder) for one in value)
    if not isinstance(value, str | Path) or os.sep not in str(value) or not Path(value).exists():
        return value
    copy = folder / str(len(list(folder.iterdir()))) / Path(value).name
    copy.parent.mkdir()
    if Path(value).is_dir():
        shutil.copytree(value, copy)
    else:
        shutil.copy(value, copy)
    return str(copy)


def stir(part: Part, seed: int) -> None:
    """Move all weights a little, also those that start at zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in part.parameters():
            if parameter.is_floating_point():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator).to(parameter))


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
