"""Reading a config: bases, command line options, environment, custom imports. Used by every tool."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from gartk.config.replaced import drop_what_is_not_taken, replaced_types
from gartk.config.settings import SECTIONS, TOP_LEVEL
from gartk.custom_imports import import_custom
from gartk.errors import ConfigError, did_you_mean

# In a package that was installed, and in a checkout.
CONFIG_FOLDERS = tuple(Path(__file__).resolve().parents[up] / "configs" for up in (1, 2))
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\}")


def load_config(
    path: str | os.PathLike[str],
    cfg_options: Mapping[str, Any] | None = None,
    *,
    extra_keys: Iterable[str] = (),
) -> Config:
    """Read a config file, apply options, expand ``${VAR}`` and do its custom imports.

    ``path`` is a file, or the name of a config that gartk brings along (``find_config``).
    ``cfg_options`` maps dotted paths to values (``{'optim.lr': 1e-3}``). A path has to exist in the
    config or be one the engine knows; ``extra_keys`` names further ones (dotted) that a tool reads.
    The arguments of a part (a dict with ``type``) are free: the part itself checks them. Where an option
    replaces a ``type``, arguments of the config that the new one does not take are dropped, with a warning.
    In any string ``${VAR}`` or ``${VAR:fallback}`` stands for an environment variable.

    Raises: ConfigError if the file is missing or not Python, an option's path is unknown, an
        environment variable is not set, or a custom import fails.
    """
    file = find_config(path)
    try:
        cfg = Config.fromfile(file, import_custom_modules=False, lazy_import=False)
    except (
        SyntaxError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        NameError,
        ImportError,
        AttributeError,
    ) as error:
        raise ConfigError(f"The config {file} cannot be read: {type(error).__name__}: {error}") from error
    options = cfg_options or {}
    replaced = replaced_types(cfg._cfg_dict, options)
    if options:
        check_options(cfg._cfg_dict, options, extra_keys=extra_keys)
        _merge(cfg, options)
    _expand_in_place(cfg._cfg_dict, "")
    import_custom(cfg._cfg_dict, file.absolute().parent)
    drop_what_is_not_taken(cfg._cfg_dict, options, replaced)
    return cfg


def find_config(path: str | os.PathLike[str]) -> Path:
    """Find a config: a file, else one of gartk's own, by its name in ``configs/``.

    ``tiny/demo``, ``tiny/demo.py`` and ``configs/tiny/demo.py`` all name the same one of them, also where
    gartk is installed as a package.

    Raises: ConfigError saying where it was looked for, with near matches among gartk's own.
    """
    file = Path(path)
    if file.is_file():
        return file
    shipped = shipped_configs()
    name = file.with_suffix("").as_posix().removeprefix("configs/")
    if name in shipped:
        return shipped[name]
    own = [name for name in shipped if not name.startswith("_base_/")]
    near = difflib.get_close_matches(name, own, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else "such as tiny/ablation_roi_replay"
    raise ConfigError(
        f"There is no config file {str(path)!r} (looked in {file.absolute().parent}), and none of gartk's own"
        f" has that name; {hint}"
    )


def shipped_configs() -> dict[str, Path]:
    """Return the configs that gartk brings along, by their names below ``configs/``, without ``.py``."""
    folder = next(folder for folder in CONFIG_FOLDERS if (folder / "_base_").is_dir())
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.py"))
    }


def _merge(cfg: Config, options: Mapping[str, Any]) -> None:
    """Set the options; a path may go through a key whose value is None."""
    for path in options:
        node: Any = cfg._cfg_dict
        for key in path.split(".")[:-1]:
            if not isinstance(node, dict) or key not in node:
                break
            if node[key] is None:
                node[key] = {}
            node = node[key]
    try:
        cfg.merge_from_dict(copy.deepcopy(dict(options)))  # merging takes _delete_ out of what it is given
    except (TypeError, KeyError, ValueError) as error:
        raise ConfigError(f"--cfg-options cannot be applied: {error}") from error


def check_options(
    cfg: Mapping[str, Any], options: Mapping[str, Any], *, extra_keys: Iterable[str] = ()
) -> None:
    """Refuse options whose path is unknown, so that a typo cannot be passed over in silence.

    Raises: ConfigError naming the path and near matches.
    """
    allowed = set(extra_keys)
    for path in options:
        if path not in allowed:
            _check_path(cfg, path)


def _check_path(cfg: Mapping[str, Any], path: str) -> None:
    node: Any = cfg
    keys = path.split(".")
    for depth, key in enumerate(keys):
        here = ".".join(keys[:depth])
        if isinstance(node, (list, tuple)):
            if not key.isdigit() or int(key) >= len(node):
                raise ConfigError(
                    f"--cfg-options {path}: {here} is a list of {len(node)}, {key!r} is no index of it."
                )
            node = node[int(key)]
            continue
        if not isinstance(node, Mapping):
            raise ConfigError(f"--cfg-options {path}: {here} is {node!r} and has no keys below it.")
        known = _known_keys(here, node)
        if known is None or key == "_delete_":
            return
        if key not in known:
            where = here or "the config"
            raise ConfigError(
                f"--cfg-options {path}: {where} has no key {key!r}.\n  {did_you_mean(key, known)}"
            )
        if node.get(key) is None:
            return
        node = node[key]


def _known_keys(here: str, node: Mapping[str, Any]) -> set[str] | None:
    """The keys that may be set below a path, or None where any may (arguments of a part)."""
    if here == "":
        return set(node) | set(TOP_LEVEL)
    if here in SECTIONS:
        return set(node) | {f.name for f in dataclasses.fields(SECTIONS[here])}
    if here == "custom_imports":
        return {"imports", "allow_failed_imports"}
    if "type" in node or here == "optim" or here.startswith("optim."):
        return None
    return set(node)


def _expand_in_place(node: Any, path: str) -> Any:
    """Replace ``${VAR}`` in every string below a node; return the node, or the new string."""
    if isinstance(node, str):
        return _VARIABLE.sub(lambda match: _lookup(match, path), node)
    if isinstance(node, dict):
        for key, value in list(node.items()):
            new = _expand_in_place(value, f"{path}.{key}" if path else str(key))
            if new is not value:
                node[key] = new
        return node
    if isinstance(node, (list, tuple)):
        items = [_expand_in_place(value, f"{path}[{i}]") for i, value in enumerate(node)]
        if all(new is old for new, old in zip(items, node, strict=True)):
            return node
        return type(node)(items)
    return node


def _lookup(match: re.Match[str], path: str) -> str:
    name, fallback = match.group(1), match.group(2)
    value = os.environ.get(name, fallback)
    if value is None:
        raise ConfigError(
            f"{path} needs the environment variable {name}, which is not set. "
            f"Set it, give {path} with --cfg-options, or write a fallback: ${{{name}:...}}."
        )
    return value
