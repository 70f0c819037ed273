"""The registries: each maps the name in a config to the class that is built from it.

A registry knows the class that its parts derive from and the modules that hold its built-in parts, and
imports them on the first lookup; the same lookup loads the plugins. There is no scope switching and no
parent: a name is either registered here or it is an error that says what is known.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

from gartk.errors import ConfigError, GartkError, PluginError, did_you_mean
from gartk.plugins import failure_behind, load_plugins, trouble_lines
from gartk.registration import SCOPE, Registration, load_lock, record
from gartk.signatures import check_arguments, declares, label, parameters_of, where

_KEY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

Part = TypeVar("Part", bound=Callable[..., Any])
T = TypeVar("T")
_MADE: list[PartRegistry[Any]] = []


class PartRegistry(Generic[T]):
    """Names to classes (or functions) of one kind of part.

    Args:
        name: what errors call it, e.g. ``REGION_EXTRACTORS``.
        base: the class that what is built derives from, as "module:Class"; imported when it is needed.
        locations: modules whose import registers the built-in parts. One that does not exist
            registers nothing; one that exists and fails to import raises at the lookup.
    """

    scope = SCOPE

    def __init__(self, name: str, *, base: str, locations: Sequence[str] = ()) -> None:
        self.name = name
        self._base = base
        self._locations = tuple(locations)
        self._parts: dict[str, Callable[..., T]] = {}
        self._owners: dict[str, str] = {}
        self._options: dict[str, str] = {}
        self._builtins_loaded = False
        _MADE.append(self)

    @property
    def base(self) -> type[T]:
        """The class that every part derives from."""
        module, _, name = self._base.partition(":")
        base: type[T] = getattr(importlib.import_module(module), name)
        return base

    # ---- registering ------------------------------------------------------------------------

    @overload
    def register(self, part: Part) -> Part: ...
    @overload
    def register(
        self, part: None = None, *, name: str | None = None, option: str | None = None
    ) -> Callable[[Part], Part]: ...

    def register(self, part: Any = None, *, name: str | None = None, option: str | None = None) -> Any:
        """Register a class or function: ``@REG.register()``, ``@REG.register(name='acme.Star')``.

        The key is the class name where no name is given. The same object may be registered again. A
        subclass registered with an ``option`` is built in place of its base class where a config has that
        argument.

        Raises: ConfigError for a key that another object holds, a malformed key, or no callable.
        """
        if part is None:
            return lambda decorated: self._add(decorated, name, option)
        return self._add(part, name)

    def register_module(
        self, name: str | Sequence[str] | None = None, *, module: Callable[..., Any] | None = None
    ) -> Any:
        """Register in MMEngine's spelling; ``name`` may be a list of names for the same object."""
        names: list[str | None] = [name] if name is None or isinstance(name, str) else list(name)

        def add(part: Part) -> Part:
            for key in names:
                self._add(part, key)
            return part

        return add if module is None else add(module)

    def unregister(self, key: str) -> None:
        """Forget a key; nothing happens when it is not known."""
        self._parts.pop(key, None)
        self._owners.pop(key, None)
        self._options = {option: own for option, own in self._options.items() if own != key}

    def _add(self, part: Part, name: str | None, option: str | None = None) -> Part:
        if not callable(part):
            raise ConfigError(
                f"{self.name}.register got {part!r}, which is neither a class nor a function.\n"
                f"  Write @{self.name}.register() or @{self.name}.register(name='acme.Star') above the class."
            )
        key = getattr(part, "__name__", "") if name is None else name
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise ConfigError(
                f"{self.name}.register got the key {key!r}. A key is a Python name, or names joined "
                f"by dots, such as 'Star' or 'acme.Star'; pass it as name=..."
            )
        known = self._parts.get(key)
        if known is not None and known is not part:
            raise ConfigError(
                f"{self.name} already has {key!r}: it is {where(known)}, "
                f"so {where(part)} cannot take the key.\n"
                f"  Give the new one another name, e.g. register(name='acme.{key.rpartition('.')[2]}')."
            )
        entry = Registration(self, key, part, is_new=known is None)
        owner = record(entry)
        if entry.is_new:
            self._parts[key] = part
            self._owners[key] = owner
        if option is not None:
            self._options[option] = key
        return part

    # ---- looking up -------------------------------------------------------------------------

    def names(self) -> list[str]:
        """All registered names, sorted."""
        self._ensure_loaded()
        return sorted(self._parts)

    def owner(self, name: str) -> str:
        """Who registered a name: ``gartk``, the name of a plugin, or the module of other code."""
        self.get(name)
        return self._owners[name]

    def get(self, name: str, *, path: str = "") -> Any:
        """Return what is registered under a name.

        Args:
            path: where in the config the name stands, for the error (``model.region_extractor``).

        Raises: ConfigError if it is unknown; PluginError, chained to the real one, if a plugin
            that would have registered it failed to load.
        """
        self._ensure_loaded()
        if isinstance(name, str) and name in self._parts:
            return self._parts[name]
        raise self._unknown(name, path)

    def name_of(self, part: str | Callable[..., Any]) -> str:
        """Return the key under which a part is registered; a key is returned as it is.

        Raises: ConfigError if it is not.
        """
        self._ensure_loaded()
        if isinstance(part, str):
            return part
        for key, known in self._parts.items():
            if known is part:
                return key
        raise ConfigError(
            f"{label(part)} is not registered in {self.name}; register it so that configs can name it."
        )

    def __contains__(self, name: object) -> bool:
        self._ensure_loaded()
        return name in self._parts

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def __repr__(self) -> str:
        return f"PartRegistry({self.name}, {len(self._parts)} registered)"

    def _ensure_loaded(self) -> None:
        with load_lock():
            if not self._builtins_loaded:
                self._builtins_loaded = True  # set first: a module may look things up as it loads
                try:
                    for module in self._locations:
                        _import_if_there(module)
                except BaseException:
                    self._builtins_loaded = False
                    raise
            load_plugins()

    def _unknown(self, name: object, path: str) -> GartkError:
        here = f"{path}.type" if path else "type"
        if not isinstance(name, str):
            return ConfigError(f"{here} is {name!r}; it has to be a name in {self.name} or a class.")
        lines = [f"{here} {name!r} is not registered in {self.name}.", did_you_mean(name, self._parts)]
        elsewhere = [r.name for r in _MADE if r is not self and name in r._parts]
        if elsewhere:
            lines.append(f"It is registered in {', '.join(elsewhere)}.")
        lines += trouble_lines(name)
        text = "\n  ".join(lines)
        cause = failure_behind(name)
        if cause is None:
            return ConfigError(text)
        error = PluginError(text)
        error.__cause__ = cause
        return error

    # ---- building ---------------------------------------------------------------------------

    def build(
        self,
        cfg: Mapping[str, Any],
        *,
        path: str = "",
        offer: Mapping[str, Any] | None = None,
        **extra: Any,
    ) -> T:
        """Build a part from ``dict(type=..., **arguments)``.

        Args:
            cfg: ``type`` is a registered name or a class; the rest are arguments.
            path: where in the config ``cfg`` stands, for errors (``model.region_extractor``).
            offer: arguments given only where the constructor declares a parameter of that name.
            extra: arguments given always. What ``cfg`` states wins over ``offer`` and ``extra``.

        Raises: ConfigError for a missing or unknown type, an unknown or missing argument, a TypeError or
            ValueError of the constructor (chained to it), or a part that does not derive from the base.
            Errors of gartk's own classes pass.
        """
        here = path or self.name
        if not isinstance(cfg, Mapping):
            raise ConfigError(
                f"{here} is {cfg!r} ({type(cfg).__name__}). Write dict(type='...', ...) with a type from "
                f"{self.name}. {did_you_mean('', self.names())}"
            )
        arguments = dict(cfg.items())
        if "type" not in arguments:
            raise ConfigError(f"{here} has no 'type': got {arguments!r}.\n  {did_you_mean('', self.names())}")
        kind = arguments.pop("type")
        part = kind if callable(kind) else self.get(kind, path=path)
        arguments = {**extra, **arguments}
        part = self._with_options(part, arguments)
        for key, value in (offer or {}).items():
            if declares(part, key):
                arguments.setdefault(key, value)
        if inspect.isclass(part):
            named = where(part) if callable(kind) else f"{kind} ({where(part)})"
            self._check_class(part, f"{here}: {named}")
        check_arguments(part, arguments, here)
        try:
            built = part(**arguments)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{here}: {label(part)} refused its arguments: {error}") from error
        if not isinstance(built, self.base):
            raise ConfigError(f"{here}: {label(part)} gave a {type(built).__name__}, no {self._wanted()}")
        return built

    def not_taken(self, cfg: Mapping[str, Any]) -> list[str]:
        """Return the arguments of a config that its type does not take; none where the type is unknown."""
        kind = cfg["type"]
        if not callable(kind) and kind not in self:
            return []
        part = self._with_options(kind if callable(kind) else self.get(kind), cfg)
        known = parameters_of(part)
        return [] if known is None else [key for key in cfg if key != "type" and key not in known]

    def _check_class(self, part: type, named: str) -> None:
        """Check before it is built that a class derives from the base and has all that this asks for."""
        if not issubclass(part, self.base):
            raise ConfigError(f"{named} is no {self._wanted()}")
        lacks = sorted(getattr(part, "__abstractmethods__", ()))
        if lacks:
            raise ConfigError(f"{named} lacks {', '.join(lacks)}, as {self._base} describes.")

    def _wanted(self) -> str:
        module, _, name = self._base.partition(":")
        return f"{name}; what {self.name} builds derives from it (from {module} import {name})."

    def _with_options(self, part: Callable[..., Any], arguments: Mapping[str, Any]) -> Callable[..., Any]:
        """Return the subclass of a part that is registered for an option among the arguments, or the part."""
        for option, key in self._options.items():
            other = self._parts[key]
            if option in arguments and inspect.isclass(part) and issubclass(other, part):  # type: ignore[arg-type]
                return other
        return part


def _import_if_there(module: str) -> None:
    parent = ""
    for piece in module.split("."):
        parent = f"{parent}.{piece}" if parent else piece
        if importlib.util.find_spec(parent) is None:
            return
        importlib.import_module(parent)


# Where each registry is declared: beside the class that its parts derive from.
_HOMES = {
    "VISION_BACKBONES": "gartk.models.vision.base",
    "CONNECTORS": "gartk.models.connectors.base",
    "PROMPT_ENCODERS": "gartk.models.prompts.base",
    "REGION_EXTRACTORS": "gartk.models.extractors.base",
    "LLMS": "gartk.models.llms.base",
    "MODELS": "gartk.models.region_vlm",
    "TILERS": "gartk.tilers",
    "SEGMENTERS": "gartk.regions.segmenters.base",
    "DATASETS": "gartk.data.base",
    "BENCHMARKS": "gartk.evaluation.benchmarks.base",
    "CHAT_MODELS": "gartk.evaluation.models.chat",
    "MODELS_UNDER_TEST": "gartk.evaluation.models.base",
    "JUDGES": "gartk.evaluation.judges.base",
}


def registries() -> dict[str, PartRegistry[Any]]:
    """Return gartk's registries by name, in the order in which a model is described."""
    return {name: getattr(importlib.import_module(home), name) for name, home in _HOMES.items()}


def __getattr__(name: str) -> PartRegistry[Any]:
    """Import a registry when it is first asked for: ``from gartk.registry import REGION_EXTRACTORS``."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_HOMES)}")
    registry: PartRegistry[Any] = getattr(importlib.import_module(_HOMES[name]), name)
    return registry
