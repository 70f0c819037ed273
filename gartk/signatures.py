"""Which arguments a class or function takes by name, and whether those given fit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from gartk.errors import ConfigError, did_you_mean

_PASSABLE = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def parameters_of(part: Callable[..., Any]) -> dict[str, inspect.Parameter] | None:
    """Return the parameters that can be passed by name; None where any name is taken or none can be read."""
    try:
        every = inspect.signature(part).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in every):
        return None
    return {p.name: p for p in every if p.kind in _PASSABLE}


def declares(part: Callable[..., Any], parameter: str) -> bool:
    """Return whether a class or function has a parameter of this name that can be passed by name."""
    try:
        found = inspect.signature(part).parameters.get(parameter)
    except (TypeError, ValueError):
        return False
    return found is not None and found.kind in _PASSABLE


def check_arguments(part: Callable[..., Any], given: Iterable[str], here: str) -> None:
    """Check that a class or function takes the arguments given and needs no others.

    Raises: ConfigError naming what is unknown or missing.
    """
    try:
        every = inspect.signature(part).parameters.values()
    except (TypeError, ValueError):
        return
    have = set(given)
    passable = {p.name: p for p in every if p.kind in _PASSABLE}
    known = parameters_of(part)
    unknown = [] if known is None else sorted(have - set(known))
    if unknown:
        hint = did_you_mean(unknown[0], passable).replace("Known:", "Accepted:")
        names = ", ".join(map(repr, unknown))
        raise ConfigError(f"{here} has an argument that {label(part)} does not take: {names}.\n  {hint}")
    missing = [n for n, p in passable.items() if p.default is inspect.Parameter.empty and n not in have]
    if missing:
        raise ConfigError(
            f"{here} lacks an argument that {label(part)} needs: {', '.join(map(repr, missing))}.\n"
            f"  Got: {', '.join(sorted(have)) or '(nothing)'}. Accepted: {', '.join(sorted(passable))}."
        )


def label(part: Callable[..., Any]) -> str:
    """Return the name of a class or function for errors."""
    return getattr(part, "__qualname__", repr(part))


def where(part: Callable[..., Any]) -> str:
    """Return the module and name of a class or function for errors."""
    return f"{getattr(part, '__module__', '?')}.{label(part)}"
