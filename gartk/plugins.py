"""Finding and loading plugins, each in isolation, and saying what became of them.

A plugin is an entry point of the group ``gartk.plugins``: a callable without arguments that
registers parts and may be called twice. Environment: ``GARTK_PLUGINS=a,b`` loads only these,
``GARTK_PLUGINS=`` none; ``GARTK_STRICT_PLUGINS=1`` makes any trouble an error.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gartk.errors import ConfigError, PluginError, did_you_mean
from gartk.registry import Registration, load_lock, recording

GROUP = "gartk.plugins"
ALLOW_ENV = "GARTK_PLUGINS"
STRICT_ENV = "GARTK_STRICT_PLUGINS"
_OFF = ("", "0", "false", "no", "off")


@dataclass(frozen=True)
class PluginReport:
    """What became of one plugin.

    ``registered`` maps a registry's name to the keys that the plugin registered there; ``error``
    is the exception that stopped it, with its own traceback.
    """

    name: str
    distribution: str
    version: str
    module: str
    status: Literal["loaded", "failed", "skipped"]
    error: BaseException | None = None
    registered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its name with the distribution and version it comes from."""
        return f"{self.name!r} ({self.distribution} {self.version})"

    @property
    def prefixes(self) -> set[str]:
        """The prefixes its keys carry: its own name, and those it registered under."""
        keys = (key for keys in self.registered.values() for key in keys)
        return {self.name, *(key.partition(".")[0] for key in keys)}

    @property
    def reason(self) -> str:
        """Why it is not loaded, in one line."""
        if self.status == "skipped":
            return f"{ALLOW_ENV} leaves it out"
        return "" if self.error is None else str(self.error) or type(self.error).__name__


class PluginLoader:
    """Loads the plugins of this process once and keeps the report.

    Args:
        environ: where the allow-list and the strict switch are read; the process's by default.
        entry_points: what to load; by default the installed entry points of the group.
    """

    def __init__(
        self, *, environ: Mapping[str, str] | None = None, entry_points: Iterable[Any] | None = None
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._entry_points = entry_points
        self._reports: tuple[PluginReport, ...] | None = None
        self._absent: tuple[str, ...] = ()
        self._loading = False

    @property
    def reports(self) -> tuple[PluginReport, ...]:
        """What is known so far; empty before ``load``."""
        return self._reports or ()

    @property
    def absent(self) -> tuple[str, ...]:
        """Names in the allow-list that no installed plugin has."""
        return self._absent

    def load(self) -> tuple[PluginReport, ...]:
        """Load every allowed plugin, sorted by name; later calls give the same report.

        Raises: PluginError in strict mode, on every call, if one failed or is not installed.
        """
        with load_lock():
            if self._loading:
                return self.reports
            if self._reports is None:
                self._loading = True
                try:
                    self._reports = self._load_all()
                finally:
                    self._loading = False
                self._warn()
        self._raise_if_strict()
        return self.reports

    def _load_all(self) -> tuple[PluginReport, ...]:
        points = _installed() if self._entry_points is None else self._entry_points
        ordered = sorted(points, key=lambda p: (p.name, *_origin(p)))
        allowed = self._allowed()
        if allowed is not None:
            self._absent = tuple(sorted(allowed - {p.name for p in ordered}))
        return tuple(_load_one(p, skip=allowed is not None and p.name not in allowed) for p in ordered)

    def _allowed(self) -> set[str] | None:
        value = self._environ.get(ALLOW_ENV)
        return None if value is None else {name.strip() for name in value.split(",")} - {""}

    def _absent_text(self) -> str:
        names = ", ".join(map(repr, self._absent))
        return (
            f"{ALLOW_ENV} names plugins that are not installed: {names}.\n"
            f"  {did_you_mean(self._absent[0], {r.name for r in self.reports})}"
        )

    def _warn(self) -> None:
        if self._is_strict():
            return
        for report in self.reports:
            if report.status == "failed":
                warnings.warn(_failed_text(report), RuntimeWarning, stacklevel=4)
        if self._absent:
            warnings.warn(self._absent_text(), RuntimeWarning, stacklevel=4)

    def _is_strict(self) -> bool:
        return self._environ.get(STRICT_ENV, "").strip().lower() not in _OFF

    def _raise_if_strict(self) -> None:
        if not self._is_strict():
            return
        for report in self.reports:
            if report.status == "failed":
                raise PluginError(f"{_failed_text(report)} ({STRICT_ENV} is set.)") from report.error
        if self._absent:
            raise PluginError(f"{self._absent_text()} ({STRICT_ENV} is set.)")


_LOADER = PluginLoader()


def load_plugins() -> tuple[PluginReport, ...]:
    """Load the plugins of this process once, and tell what became of each."""
    return _LOADER.load()


def plugin_reports() -> tuple[PluginReport, ...]:
    """What became of each plugin so far, without loading any and without strict mode's error."""
    return _LOADER.reports


def absent_plugins() -> tuple[str, ...]:
    """Names in ``GARTK_PLUGINS`` that no installed plugin has."""
    return _LOADER.absent


def trouble_lines(key: str) -> list[str]:
    """Sentences about plugins that may be why a key is unknown, for error texts."""
    lines = [_failed_text(r) for r in _LOADER.reports if r.status == "failed"]
    prefix = key.partition(".")[0]
    left_out = [r for r in _LOADER.reports if r.status == "skipped" and r.name == prefix]
    return lines + [f"Plugin {r.title} is installed, but {r.reason}." for r in left_out]


def failure_behind(key: str) -> BaseException | None:
    """The error of the plugin that would have registered a key, or None if none can have.

    That is a failed plugin of the key's prefix, else, where no loaded plugin has that prefix, the
    first that failed. A key without a prefix belongs to no plugin.
    """
    prefix, dot, _ = key.partition(".")
    if not dot:
        return None
    failed = [r for r in _LOADER.reports if r.status == "failed"]
    named = [r for r in failed if r.name == prefix]
    if not named and any(prefix in r.prefixes for r in _LOADER.reports if r.status != "failed"):
        return None
    return next((r.error for r in named or failed), None)


def _installed() -> list[Any]:
    import importlib_metadata

    return list(importlib_metadata.entry_points(group=GROUP))


def _origin(point: Any) -> tuple[str, str]:
    dist = getattr(point, "dist", None)
    if dist is None:
        return "unknown distribution", ""
    return str(dist.name), str(dist.version)


def _load_one(point: Any, *, skip: bool) -> PluginReport:
    distribution, version = _origin(point)
    base = {"name": point.name, "distribution": distribution, "version": version, "module": point.module}
    if skip:
        return PluginReport(**base, status="skipped")
    seen: list[Registration] = []
    try:
        with recording(point.name) as seen:
            point.load()()
    except (Exception, SystemExit) as error:  # in any way: gartk goes on
        for entry in seen:
            if entry.is_new:
                entry.registry.unregister(entry.key)
        return PluginReport(**base, status="failed", error=error)
    return PluginReport(**base, status="loaded", registered=_by_registry(seen))


def _by_registry(seen: Iterable[Registration]) -> dict[str, tuple[str, ...]]:
    keys: dict[str, set[str]] = {}
    for entry in seen:
        keys.setdefault(entry.registry.name, set()).add(entry.key)
    return {registry: tuple(sorted(keys[registry])) for registry in sorted(keys)}


def _failed_text(report: PluginReport) -> str:
    return f"Plugin {report.title} failed to load: {report.reason}. Run: gartk doctor"


# ---- custom_imports of a config -------------------------------------------------------------


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
    """Give what a data worker has to run to know every part that this process knows."""
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
