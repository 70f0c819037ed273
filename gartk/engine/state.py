"""What a resume needs besides weights, as JSON and safetensors: no pickle is written or read."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gartk import io
from gartk.errors import CheckpointError

_SCALARS_KEPT = 1000


# ---- files ------------------------------------------------------------------------------------


def write_json(path: Path, value: Any) -> None:
    """Write JSON; floats keep every digit."""
    path.write_text(json.dumps(value), encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON. Raises: CheckpointError if the file is missing or damaged."""
    if not path.is_file():
        raise CheckpointError(
            f"{path.parent} cannot be resumed from: it has no {path.name}. "
            "A folder that holds only weights can be tested, not resumed."
        )
    hint = "Resume from an earlier checkpoint."
    return io.read_json(path, error=CheckpointError, hint=hint, non_finite=True)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file. Raises: CheckpointError if it is missing or damaged."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}. Resume from an earlier one.") from error


# ---- optimiser --------------------------------------------------------------------------------


def save_optimizer(optimizer: torch.optim.Optimizer, path: Path) -> dict[str, Any]:
    """Write the optimiser's tensors by parameter name; return the JSON part: its groups and other state."""
    state = optimizer.state_dict()
    names = [name for group in optimizer.param_groups for name in group["names"]]
    tensors: dict[str, Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        for key, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{names[index]}:{key}"] = value.detach().contiguous().cpu()
            else:
                plain.setdefault(names[index], {})[key] = value
    save_file(tensors, path)
    groups = [{k: v for k, v in group.items() if k != "params"} for group in state["param_groups"]]
    return {"groups": groups, "plain": plain}


def load_optimizer(
    optimizer: torch.optim.Optimizer, path: Path, saved: Mapping[str, Any], *, keep_settings: bool
) -> None:
    """Restore what ``save_optimizer`` wrote.

    With ``keep_settings`` the groups' present values (rate, decay...) stay and only the tensors come back.
    Raises: CheckpointError if the checkpoint's parameters are not this optimiser's.
    """
    names = [name for group in optimizer.param_groups for name in group["names"]]
    old = [name for group in saved["groups"] for name in group["names"]]
    if sorted(names) != sorted(old):
        extra, missing = sorted(set(old) - set(names)), sorted(set(names) - set(old))
        raise CheckpointError(
            f"{path.parent} trained other parameters: {len(extra)} only there {extra[:3]}, "
            f"{len(missing)} only here {missing[:3]}. Resume with the config it was trained with."
        )
    state: dict[str, dict[str, Any]] = {name: dict(saved["plain"].get(name, {})) for name in names}
    for full, value in read_tensors(path).items():
        name, _, key = full.rpartition(":")
        state[name][key] = value
    fresh = optimizer.state_dict()
    groups = fresh["param_groups"]
    if not keep_settings:
        if [g["names"] for g in groups] != [g["names"] for g in saved["groups"]]:
            raise CheckpointError(
                f"{path.parent} was trained with other parameter groups (optim.lr_mult, optim.no_decay)."
            )
        for group, entry in zip(groups, saved["groups"], strict=True):
            group.update({k: tuple(v) if isinstance(group.get(k), tuple) else v for k, v in entry.items()})
    indexed = {i: state[name] for i, name in enumerate(names) if state[name]}
    optimizer.load_state_dict({"state": indexed, "param_groups": groups})


# ---- generators and logs ----------------------------------------------------------------------


def rng_state() -> dict[str, Any]:
    """The state of Python's, numpy's and torch's generators in this process, as JSON values."""
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    version, words, gauss = random.getstate()
    state: dict[str, Any] = {
        "python": [version, list(words), gauss],
        "numpy": [kind, np.asarray(keys).tolist(), int(position), int(has_gauss), float(cached)],
        "torch": bytes(torch.get_rng_state().tolist()).hex(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = bytes(torch.cuda.get_rng_state().tolist()).hex()
    return state


def set_rng_state(state: Mapping[str, Any]) -> None:
    """Put the generators back where ``rng_state`` found them."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(torch.tensor(list(bytes.fromhex(state["torch"])), dtype=torch.uint8))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(torch.tensor(list(bytes.fromhex(state["cuda"])), dtype=torch.uint8))


def hub_state(hub: MessageHub) -> dict[str, Any]:
    """The last values of every logged scalar and the plain run-time facts of MMEngine's message hub."""
    scalars = {}
    for name, buffer in hub.log_scalars.items():
        values, counts = buffer.data
        scalars[name] = [values[-_SCALARS_KEPT:].tolist(), counts[-_SCALARS_KEPT:].tolist()]
    plain = (int, float, str, bool)
    info = {k: v for k, v in hub.runtime_info.items() if k != "cfg" and isinstance(v, plain)}
    return {"scalars": scalars, "info": info}


def set_hub_state(hub: MessageHub, state: Mapping[str, Any]) -> None:
    """Put logged scalars back, so that averages over past updates go on where they were."""
    scalars: Mapping[str, Sequence[Sequence[float]]] = state["scalars"]
    for name, (values, counts) in scalars.items():
        hub.log_scalars[name] = HistoryBuffer(list(values), list(counts))
