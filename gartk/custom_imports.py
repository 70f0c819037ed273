"""The modules that a config names to be imported, in this process and in its data workers."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gartk.errors import ConfigError
from gartk.plugins import load_plugins


@dataclass(frozen=True)
class WorkerSetup:
    """Loads the same plugins and custom imports in a data worker: ``DataLoader(worker_init_fn=...)``.

    It is picklable, so that it serves workers started by spawn as well as by fork.
    """

    imports: tuple[tuple[str, str], ...] = ()

    def __call__(self, worker_id: int) -> None:
        """Load the plugins, then the modules; what is loaded already stays."""
        load_plugins()
        for module, folder in self.imports:
            _import_from(module, Path(folder))


_IMPORTED: dict[str, str] = {}


def worker_setup() -> WorkerSetup:
    """Return what a data worker has to run to know every part that this process knows."""
    return WorkerSetup(tuple(_IMPORTED.items()))


def import_custom(cfg: Mapping[str, Any], base_dir: str | os.PathLike[str]) -> tuple[str, ...]:
    """Import the modules that a config names, found next to the config or installed.

    ``custom_imports = dict(imports=['my_mod'], allow_failed_imports=False)``. The config's folder
    is put last on ``sys.path``, where data workers find it too.

    Args:
        cfg: the whole config; without ``custom_imports`` nothing happens.
        base_dir: the folder of the config file.

    Returns: the names of the imported modules.
    Raises: ConfigError if the entry is malformed, or a module is missing, fails, or is hidden by
        another module of the same name. With ``allow_failed_imports`` a failure is only a warning.
    """
    entry = cfg.get("custom_imports")
    if entry is None:
        return ()
    names, allow_failed = _read_entry(entry)
    folder = Path(base_dir).resolve()
    done = []
    for name in names:
        try:
            _import_from(name, folder)
        except ConfigError as error:
            if not allow_failed:
                raise
            warnings.warn(str(error), RuntimeWarning, stacklevel=2)
            continue
        _IMPORTED[name] = str(folder)
        done.append(name)
    return tuple(done)


def _read_entry(entry: Any) -> tuple[list[str], bool]:
    example = "custom_imports = dict(imports=['my_mod'], allow_failed_imports=False)"
    if not isinstance(entry, Mapping) or "imports" not in entry:
        raise ConfigError(f"custom_imports is {entry!r}. Write: {example}")
    unknown = sorted(set(entry) - {"imports", "allow_failed_imports"})
    if unknown:
        raise ConfigError(f"custom_imports has unknown keys {unknown}. Write: {example}")
    names = entry["imports"]
    names = [names] if isinstance(names, str) else list(names)
    if not all(isinstance(n, str) and n for n in names):
        raise ConfigError(
            f"custom_imports.imports is {names!r}; it has to be a list of module names. Write: {example}"
        )
    return names, bool(entry.get("allow_failed_imports", False))


def _import_from(name: str, folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        importlib.invalidate_caches()
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise ConfigError(
            f"custom_imports: module {name!r} could not be imported: {type(error).__name__}: {error}\n"
            f"  It was looked for on sys.path and in the config's folder, {folder}."
        ) from error
    stem = folder.joinpath(*name.split("."))
    local = next((p for p in (stem / "__init__.py", stem.with_suffix(".py")) if p.is_file()), None)
    found = getattr(module, "__file__", None)
    if local is not None and (found is None or Path(found).resolve() != local.resolve()):
        raise ConfigError(
            f"custom_imports: {name!r} next to the config ({local}) is hidden by another module of that name "
            f"({found or 'built in'}).\n  Rename the file."
        )
