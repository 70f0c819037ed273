"""What becomes of a part's arguments when an option on the command line puts another type in its place."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from gartk import registry
from gartk.config.settings import OptimSettings
from gartk.signatures import parameters_of

# The registry in which the type stands, by the key of the config above it.
REGISTRIES = {
    "model": "MODELS",
    "vision": "VISION_BACKBONES",
    "connector": "CONNECTORS",
    "llm": "LLMS",
    "prompt_encoder": "PROMPT_ENCODERS",
    "region_extractor": "REGION_EXTRACTORS",
    "dataset": "DATASETS",
    "datasets": "DATASETS",
    "test_data": "BENCHMARKS",
}


def replaced_types(cfg: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, str]:
    """Return the path of every part whose type the options replace, with the type it had."""
    replaced = {}
    for path, value in _leaves(options):
        place, _, key = path.rpartition(".")
        before = _node_at(cfg, path)
        if key == "type" and before is not None and before != value:
            replaced[place] = str(before)
    return replaced


def drop_what_is_not_taken(
    cfg: dict[str, Any], options: Mapping[str, Any], replaced: Mapping[str, str]
) -> None:
    """Drop the arguments that a config states for a replaced type and that the new one does not take.

    What the options themselves give stays, and is an error where the part does not take it. A warning names
    what is dropped. A type that no registry knows is told where it is built: a plan may be made without the
    plugin that brings it.
    """
    given = [path for path, _ in _leaves(options)]

    def is_given(path: str) -> bool:
        return any(f"{one}.".startswith(f"{path}.") for one in given)

    for place, before in replaced.items():
        if is_given(f"{place}._delete_"):
            continue
        node = _node_at(cfg, place)
        dropped = [key for key in _not_taken(node, place) if not is_given(f"{place}.{key}")]
        for key in dropped:
            del node[key]
        if dropped:
            warnings.warn(
                f"{place}.type={node['type']} does not take {', '.join(dropped)}, which the config states for"
                f" {before}: dropped.",
                UserWarning,
                stacklevel=4,
            )


def _not_taken(node: Mapping[str, Any], place: str) -> list[str]:
    key = next(key for key in reversed(place.split(".")) if not key.isdigit())
    if key in REGISTRIES:
        parts: registry.PartRegistry[Any] = getattr(registry, REGISTRIES[key])
        return parts.not_taken(node)
    if key != "optim":
        return []
    from mmengine.registry import OPTIMIZERS

    optimizer = OPTIMIZERS.get(node["type"])
    known = None if optimizer is None else parameters_of(optimizer)
    fields = {field.name for field in dataclasses.fields(OptimSettings)}
    return [] if known is None else [key for key in node if key not in known and key not in fields]


def _leaves(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of some options by its dotted path, those inside dicts too."""
    for key, value in values.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from _leaves(value, here)
        else:
            yield here, value


def _node_at(cfg: Any, path: str) -> Any:
    """What a config has at a path, None where it ends before."""
    for key in path.split("."):
        if isinstance(cfg, Mapping):
            cfg = cfg.get(key)
        elif isinstance(cfg, list | tuple) and key.isdigit() and int(key) < len(cfg):
            cfg = cfg[int(key)]
        else:
            return None
    return cfg
