"""Finding and loading plugins, each in isolation, and saying what became of them.

A plugin is an entry point of the group ``gartk.plugins``: a callable without arguments that
registers parts and may be called twice. Environment: ``GARTK_PLUGINS=a,b`` loads only these,
``GARTK_PLUGINS=`` none; ``GARTK_STRICT_PLUGINS=1`` makes any trouble an error.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gartk.errors import PluginError, did_you_mean
from gartk.registration import Registration, load_lock, recording

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
