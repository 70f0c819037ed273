"""The error classes that gartk raises for anything a user can get wrong."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable


class GartkError(Exception):
    """Base of all errors that gartk raises on purpose."""


class ConfigError(GartkError):
    """A config names something unknown, leaves something out or contradicts itself."""


class PluginError(GartkError):
    """A plugin failed to load, or registered something it may not."""


class RegionError(GartkError):
    """A region (mask, box, point, scribble) cannot be used as given."""


class DataError(GartkError):
    """A record, image or conversation is malformed, or its parts do not fit each other."""


class CheckpointError(GartkError):
    """A checkpoint is missing, incomplete, of the wrong shape or unsafe to read."""


class EndpointError(GartkError):
    """A server that is to answer questions cannot be used: no such model, no access, or not reached."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the sentence that names near matches and the known names, for error texts."""
    names = sorted(known)
    lower = {n.lower(): n for n in names}
    near = [lower[n] for n in difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.6)]
    hint = f"Did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
    return f"{hint}Known: {', '.join(names) if names else '(nothing)'}."


def exit_code(work: Callable[[], object]) -> int:
    """Run the work of a command line tool: 0, 2 for an error of the user's, 130 after Ctrl-C."""
    try:
        work()
    except GartkError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
