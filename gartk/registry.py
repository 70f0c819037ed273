"""The registries: each maps the name in a config to the class that is built from it.

A registry knows the modules that hold its built-in parts and imports them on the first lookup; the
same lookup loads the plugins. There is no scope switching and no parent: a name is either
registered here or it is an error that says what is known.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from gartk.errors import ConfigError, GartkError, PluginError, did_you_mean

SCOPE = "gartk"
_KEY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PASSABLE = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

Part = TypeVar("Part", bound=Callable[..., Any])


@dataclass(frozen=True)
class Registration:
    """One call of ``register``: where, under which key, what, and whether it was new."""

    registry: PartRegistry
    key: str
    part: Callable[..., Any]
    is_new: bool

    @property
    def is_builtin(self) -> bool:
        """Whether it is a part of gartk itself, registered by its plain name."""
        return "." not in self.key and _is_own(self.part)


class _Recorder:
    """Collects what is registered while a plugin loads, and refuses keys without a prefix."""

    def __init__(self, plugin: str) -> None:
        self.plugin = plugin
        self.seen: list[Registration] = []

    def check(self, registry: str, key: str) -> None:
        prefix, _, rest = key.partition(".")
        if rest and prefix != SCOPE:
            return
        raise PluginError(
            f"plugin {self.plugin!r} registers {key!r} in {registry}, a key without a prefix of its own.\n"
            f"  Keys without a prefix and the prefix '{SCOPE}.' belong to gartk. "
            f"Write register(name='{self.plugin}.{rest or key}')."
        )


_RECORDERS: list[_Recorder] = []
_LOAD_LOCK = threading.RLock()


class PartRegistry:
    """Names to classes (or functions) of one kind of part.

    Args:
        name: what errors call it, e.g. ``REGION_EXTRACTORS``.
        locations: modules whose import registers the built-in parts. One that does not exist
            registers nothing; one that exists and fails to import raises at the lookup.
    """

    scope = SCOPE

    def __init__(self, name: str, *, locations: Sequence[str] = ()) -> None:
        self.name = name
        self._locations = tuple(locations)
        self._parts: dict[str, Callable[..., Any]] = {}
        self._owners: dict[str, str] = {}
        self._options: dict[str, str] = {}
        self._builtins_loaded = False

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
                f"{self.name} already has {key!r}: it is {_where(known)}, "
                f"so {_where(part)} cannot take the key.\n"
                f"  Give the new one another name, e.g. register(name='acme.{key.rpartition('.')[2]}')."
            )
        entry = Registration(self, key, part, is_new=known is None)
        recorder = _RECORDERS[-1] if _RECORDERS and not entry.is_builtin else None
        if recorder is not None:
            recorder.check(self.name, key)
            recorder.seen.append(entry)
        if entry.is_new:
            self._parts[key] = part
            own = SCOPE if entry.is_builtin else getattr(part, "__module__", "?")
            self._owners[key] = recorder.plugin if recorder is not None else own
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
        """Give what is registered under a name.

        Args:
            path: where in the config the name stands, for the error (``model.region_extractor``).

        Raises: ConfigError if it is unknown; PluginError, chained to the real one, if a plugin
            that would have registered it failed to load.
        """
        self._ensure_loaded()
        if isinstance(name, str) and name in self._parts:
            return self._parts[name]
        raise self._unknown(name, path)

    def name_of(self, part: Callable[..., Any]) -> str:
        """Give the key under which a part is registered.

        Raises: ConfigError if it is not.
        """
        self._ensure_loaded()
        for key, known in self._parts.items():
            if known is part:
                return key
        raise ConfigError(
            f"{_label(part)} is not registered in {self.name}; register it so that configs can name it."
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
        from gartk.plugins import load_plugins

        with _LOAD_LOCK:
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
        from gartk.plugins import failure_behind, trouble_lines

        where = f"{path}.type" if path else "type"
        if not isinstance(name, str):
            return ConfigError(f"{where} is {name!r}; it has to be a name in {self.name} or a class.")
        lines = [f"{where} {name!r} is not registered in {self.name}.", did_you_mean(name, self._parts)]
        elsewhere = [r.name for r in _ALL.values() if r is not self and name in r._parts]
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
    ) -> Any:
        """Build a part from ``dict(type=..., **arguments)``.

        Args:
            cfg: ``type`` is a registered name or a class; the rest are arguments.
            path: where in the config ``cfg`` stands, for errors (``model.region_extractor``).
            offer: arguments given only where the constructor declares a parameter of that name.
            extra: arguments given always. What ``cfg`` states wins over ``offer`` and ``extra``.

        Raises: ConfigError for a missing or unknown type, an unknown or missing argument, or a
            TypeError or ValueError of the constructor (chained to it). Errors of gartk's own classes pass.
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
        part = arguments.pop("type")
        if not callable(part):
            part = self.get(part, path=path)
        arguments = {**extra, **arguments}
        part = self._with_options(part, arguments)
        parameters = _parameters(part)
        for key, value in (offer or {}).items():
            if parameters is not None and key in parameters:
                arguments.setdefault(key, value)
        if parameters is not None:
            _check_arguments(part, arguments, here)
        try:
            return part(**arguments)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{here}: {_label(part)} refused its arguments: {error}") from error

    def _with_options(self, part: Callable[..., Any], arguments: Mapping[str, Any]) -> Callable[..., Any]:
        """Return the subclass of a part that is registered for an option among the arguments, or the part."""
        for option, key in self._options.items():
            other = self._parts[key]
            if option in arguments and inspect.isclass(part) and issubclass(other, part):  # type: ignore[arg-type]
                return other
        return part


def declares(part: Callable[..., Any], parameter: str) -> bool:
    """Tell whether a class or function has a parameter of this name that can be passed by name."""
    return parameter in (_parameters(part) or {})


def registries() -> dict[str, PartRegistry]:
    """gartk's registries by name, in the order they are defined."""
    return dict(_ALL)


@contextmanager
def recording(plugin: str) -> Iterator[list[Registration]]:
    """Collect what is registered inside the block as that plugin's; its keys must carry a prefix."""
    recorder = _Recorder(plugin)
    _RECORDERS.append(recorder)
    try:
        yield recorder.seen
    finally:
        _RECORDERS.remove(recorder)


def load_lock() -> AbstractContextManager[bool]:
    """The lock under which built-in parts and plugins are loaded."""
    return _LOAD_LOCK


def _import_if_there(module: str) -> None:
    parent = ""
    for piece in module.split("."):
        parent = f"{parent}.{piece}" if parent else piece
        if importlib.util.find_spec(parent) is None:
            return
        importlib.import_module(parent)


def _parameters(part: Callable[..., Any]) -> dict[str, inspect.Parameter] | None:
    """Parameters that can be passed by name; None where the signature cannot be read."""
    try:
        signature = inspect.signature(part)
    except (TypeError, ValueError):
        return None
    return {name: p for name, p in signature.parameters.items() if p.kind in _PASSABLE}


def _check_arguments(part: Callable[..., Any], arguments: Iterable[str], here: str) -> None:
    every = inspect.signature(part).parameters.values()
    parameters = {p.name: p for p in every if p.kind in _PASSABLE}
    given = set(arguments)
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in every)
    unknown = [] if open_ended else sorted(given - set(parameters))
    if unknown:
        hint = did_you_mean(unknown[0], parameters).replace("Known:", "Accepted:")
        raise ConfigError(
            f"{here} has an argument that {_label(part)} does not take: "
            f"{', '.join(map(repr, unknown))}.\n  {hint}"
        )
    missing = [n for n, p in parameters.items() if p.default is inspect.Parameter.empty and n not in given]
    if missing:
        raise ConfigError(
            f"{here} lacks an argument that {_label(part)} needs: {', '.join(map(repr, missing))}.\n"
            f"  Got: {', '.join(sorted(given)) or '(nothing)'}. Accepted: {', '.join(sorted(parameters))}."
        )


def _label(part: Callable[..., Any]) -> str:
    return getattr(part, "__qualname__", repr(part))


def _where(part: Callable[..., Any]) -> str:
    return f"{getattr(part, '__module__', '?')}.{_label(part)}"


def _is_own(part: Callable[..., Any]) -> bool:
    module = getattr(part, "__module__", "") or ""
    return module == SCOPE or module.startswith(f"{SCOPE}.")


VISION_BACKBONES = PartRegistry("VISION_BACKBONES", locations=["gartk.models.vision"])
CONNECTORS = PartRegistry("CONNECTORS", locations=["gartk.models.connectors"])
PROMPT_ENCODERS = PartRegistry("PROMPT_ENCODERS", locations=["gartk.models.prompts"])
REGION_EXTRACTORS = PartRegistry("REGION_EXTRACTORS", locations=["gartk.models.extractors"])
LLMS = PartRegistry("LLMS", locations=["gartk.models.llms"])
MODELS = PartRegistry("MODELS", locations=["gartk.models.region_vlm", "gartk.compat.region_vlm"])
TILERS = PartRegistry(
    "TILERS", locations=["gartk.data.tiling", "gartk.data.native", "gartk.data.intern_tiles"]
)
SEGMENTERS = PartRegistry("SEGMENTERS", locations=["gartk.regions.segmenters"])
DATASETS = PartRegistry("DATASETS", locations=["gartk.data.datasets"])
TRANSFORMS = PartRegistry("TRANSFORMS", locations=["gartk.data.transforms"])
BENCHMARKS = PartRegistry("BENCHMARKS", locations=["gartk.evaluation.benchmarks"])
CHAT_MODELS = PartRegistry(
    "CHAT_MODELS", locations=["gartk.evaluation.models.openai", "gartk.evaluation.models.transformers"]
)
MODELS_UNDER_TEST = PartRegistry("MODELS_UNDER_TEST", locations=["gartk.evaluation.models.gartk_model"])
JUDGES = PartRegistry("JUDGES", locations=["gartk.evaluation.judges.replay", "gartk.evaluation.judges.rules"])
METRICS = PartRegistry("METRICS", locations=["gartk.evaluation.metrics"])

_ALL = {
    registry.name: registry
    for registry in (
        VISION_BACKBONES,
        CONNECTORS,
        PROMPT_ENCODERS,
        REGION_EXTRACTORS,
        LLMS,
        MODELS,
        TILERS,
        SEGMENTERS,
        DATASETS,
        TRANSFORMS,
        BENCHMARKS,
        CHAT_MODELS,
        MODELS_UNDER_TEST,
        JUDGES,
        METRICS,
    )
}
