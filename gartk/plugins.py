"""Finding and loading plugins, each in isolation, and saying what became of them.

A plugin is an entry point of the group ``gartk.plugins``: a callable without arguments that
registers parts and may be called twice. Environment: ``GARTK_PLUGINS=a,b`` loads only these,
``GARTK_PLUGINS=`` none; ``GARTK_STRICT_PLUGINS=1`` makes any trouble an error.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
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
    is the exception that stopped it, with its own traceback. ``is_distribution``: this stands for a whole
    distribution whose entry points cannot be read, whether there are plugins among them or not.
    """

    name: str
    distribution: str
    version: str
    module: str
    status: Literal["loaded", "failed", "skipped"]
    error: BaseException | None = None
    registered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_distribution: bool = False

    @property
    def title(self) -> str:
        """Its name with the distribution and version it comes from."""
        return f"{self.name!r} ({' '.join(filter(None, (self.distribution, self.version)))})"

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
        points, unreadable = _installed() if self._entry_points is None else (self._entry_points, [])
        found = [(point, _read_report(point)) for point in points]
        found.sort(key=lambda one: (one[1].name, one[1].distribution, one[1].version))
        allowed = self._allowed()
        if allowed is not None:
            self._absent = tuple(sorted(allowed - {report.name for _, report in found}))
        loaded = [
            replace(report, status="skipped", error=None)
            if allowed is not None and report.name not in allowed
            else _load_one(point, report)
            for point, report in found
        ]
        return (*loaded, *unreadable)

    def _allowed(self) -> set[str] | None:
        value = self._environ.get(ALLOW_ENV)
        return None if value is None else {name.strip() for name in value.split(",")} - {""}

    def _absent_text(self) -> str:
        names = ", ".join(map(repr, self._absent))
        return (
            f"{ALLOW_ENV} names plugins that are not installed: {names}.\n"
            f"  {did_you_mean(self._absent[0], {r.name for r in self.reports})}"
        )

    def _troubles(self) -> list[PluginReport]:
        """What failed, but not distributions that cannot be read where the allow-list misses no plugin."""
        listed = self._allowed() is not None and not self._absent
        return [r for r in self.reports if r.status == "failed" and not (listed and r.is_distribution)]

    def _warn(self) -> None:
        if self._is_strict():
            return
        for report in self._troubles():
            warnings.warn(_failed_text(report), RuntimeWarning, stacklevel=4)
        if self._absent:
            warnings.warn(self._absent_text(), RuntimeWarning, stacklevel=4)

    def _is_strict(self) -> bool:
        return self._environ.get(STRICT_ENV, "").strip().lower() not in _OFF

    def _raise_if_strict(self) -> None:
        if not self._is_strict():
            return
        for report in self._troubles():
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


def _installed() -> tuple[list[Any], list[PluginReport]]:
    """Return the installed entry points of the group, and a report of each distribution that hides its own.

    Each distribution is read by itself, so that one whose files are damaged hides no other. Of several by one
    name the first on ``sys.path`` counts, as an import would find it.
    """
    import importlib_metadata

    points: dict[str, list[Any]] = {}
    unreadable: dict[str, PluginReport] = {}
    for dist in importlib_metadata.distributions():
        folder = _folder_of(dist)
        name = folder.partition("-")[0].lower().replace(".", "_")
        if name in points:
            continue
        try:
            points[name] = [point for point in dist.entry_points if point.group == GROUP]
        except Exception as error:  # whatever a damaged file leads to
            problem = PluginError(f"its entry_points.txt cannot be read: {error}")
            problem.__cause__ = error
            report = PluginReport(name, folder, "", "", "failed", problem, is_distribution=True)
            unreadable.setdefault(name, report)
    found = [point for own in points.values() for point in own]
    return found, [report for name, report in unreadable.items() if name not in points]


def tolerate_unreadable_distributions() -> None:
    """Treat a distribution whose metadata is not UTF-8 as one without metadata, in this process.

    torch and others go through the entry points of all that is installed as they are imported, and one such
    file stops them. For processes of gartk's own commands; what is passed over, ``plugin_reports`` names.
    """
    from importlib.metadata import PathDistribution

    read = PathDistribution.read_text
    if read.__module__ == __name__:
        return

    def read_text(self: PathDistribution, filename: Any) -> str | None:
        try:
            return read(self, filename)
        except UnicodeDecodeError:
            return None

    PathDistribution.read_text = read_text  # type: ignore[method-assign]


def _folder_of(dist: Any) -> str:
    return Path(str(getattr(dist, "_path", ""))).name or "unknown distribution"


def _read_report(point: Any) -> PluginReport:
    """Return what an entry point and its distribution say of themselves; failed where they cannot be read."""
    dist = point.dist
    try:
        if dist is None:
            return PluginReport(point.name, "unknown distribution", "", point.module, "skipped")
        if not dist.name:
            raise PluginError("its distribution has no METADATA file that gives its name")
        return PluginReport(point.name, str(dist.name), _version_of(dist), point.module, "skipped")
    except Exception as error:  # whatever a damaged file leads to
        return PluginReport(point.name, _folder_of(dist), "", "", "failed", error)


def _version_of(dist: Any) -> str:
    try:
        return str(dist.version or "(no version)")
    except KeyError:
        return "(no version)"


def _load_one(point: Any, report: PluginReport) -> PluginReport:
    if report.status == "failed":
        return report
    seen: list[Registration] = []
    try:
        with recording(point.name) as seen:
            point.load()()
    except (Exception, SystemExit) as error:  # in any way: gartk goes on
        for entry in seen:
            if entry.is_new:
                entry.registry.unregister(entry.key)
        return replace(report, status="failed", error=error)
    return replace(report, status="loaded", registered=_by_registry(seen))


def _by_registry(seen: Iterable[Registration]) -> dict[str, tuple[str, ...]]:
    keys: dict[str, set[str]] = {}
    for entry in seen:
        keys.setdefault(entry.registry.name, set()).add(entry.key)
    return {registry: tuple(sorted(keys[registry])) for registry in sorted(keys)}


def _failed_text(report: PluginReport) -> str:
    what = "The distribution" if report.is_distribution else "Plugin"
    return f"{what} {report.title} failed to load: {report.reason}. Run: gartk doctor"
