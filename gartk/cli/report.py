"""What a command hands back: its outcome as data, and how a person is shown it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Report:
    """The outcome of a command.

    ``data`` is what ``--json`` prints; ``show`` prints the same for a person; ``code`` is the exit status.
    """

    data: Mapping[str, Any]
    show: Callable[[], None]
    code: int = 0


def wide_console(width: int = 140) -> Console:
    """Return the terminal, or a console wide enough for tables where the output goes to a file."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=width)
