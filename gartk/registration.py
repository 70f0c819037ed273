"""What happens as parts are registered: the record of it, and the rule for the keys of plugins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from gartk.errors import PluginError

SCOPE = "gartk"


class Registrar(Protocol):
    """What a record needs of the registry that it is about."""

    name: str

    def unregister(self, key: str) -> None:
        """Forget a key."""


@dataclass(frozen=True)
class Registration:
    """One call of ``register``: where, under which key, what, and whether it was new."""

    registry: Registrar
    key: str
    part: Callable[..., Any]
    is_new: bool

    @property
    def is_builtin(self) -> bool:
        """Whether it is a part of gartk itself, registered by its plain name."""
        return "." not in self.key and self.module.partition(".")[0] == SCOPE

    @property
    def module(self) -> str:
        """The module that defines the part, "?" where it does not say."""
        return getattr(self.part, "__module__", None) or "?"


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


def load_lock() -> AbstractContextManager[bool]:
    """Return the lock under which built-in parts and plugins are loaded."""
    return _LOAD_LOCK


@contextmanager
def recording(plugin: str) -> Iterator[list[Registration]]:
    """Collect what is registered inside the block as that plugin's; its keys must carry a prefix."""
    recorder = _Recorder(plugin)
    _RECORDERS.append(recorder)
    try:
        yield recorder.seen
    finally:
        _RECORDERS.remove(recorder)


def record(entry: Registration) -> str:
    """Note a registration for the plugin that is being loaded, if one is; return who owns the part.

    Raises: PluginError if a plugin registers a key without a prefix of its own.
    """
    if entry.is_builtin:
        return SCOPE
    if not _RECORDERS:
        return entry.module
    recorder = _RECORDERS[-1]
    recorder.check(entry.registry.name, entry.key)
    recorder.seen.append(entry)
    return recorder.plugin
