"""Flags that mean the same in every command."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator, Sequence
from typing import Any

from gartk.errors import ConfigError

MODEL = "'tiny', a checkpoint folder, a work dir, a config (.py) or a name on the hub"


class Options(argparse.Action):
    """Reads ``KEY=VALUE ...``; see ``read_value``."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: Any = None
    ) -> None:
        """Store the options as a dict, added to those of the same flag given before."""
        found = dict(getattr(namespace, self.dest) or {})
        for text in values:
            key, equals, value = text.partition("=")
            if not key or not equals:
                parser.error(f"argument {option}: {text!r} is not KEY=VALUE")
            found[key] = read_value(value)
        setattr(namespace, self.dest, found)


def read_value(text: str) -> Any:
    """Return an option's value: a number, True, False, None, a list, a tuple, or a text.

    MMEngine's reader takes all blanks out of texts. Here a text with blanks, or in quotes of its own, stays
    as it is; lists and tuples are read as Python writes them, and by MMEngine where words have no quotes.
    """
    from mmengine.config import DictAction

    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text[:1] in ("[", "("):
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return DictAction._parse_iterable(text)
    if any(" " in part.strip() for part in text.split(",")):
        return text
    return DictAction._parse_iterable(text)


def add_cfg_options(parser: argparse.ArgumentParser, text: str = "changes to the config") -> None:
    """Add ``--cfg-options a.b=c ...``."""
    parser.add_argument("--cfg-options", nargs="+", action=Options, metavar="KEY=VALUE", help=text)


def add_device(parser: Any) -> None:
    """Add ``--device``."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default: auto)")


def add_dtype(parser: Any) -> None:
    """Add ``--dtype``."""
    parser.add_argument("--dtype", help="float32, bfloat16 or float16 (default: as stored)")


def whole_numbers(text: str) -> tuple[int, ...]:
    """Read whole numbers with commas between."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not numbers such as 0,1,2") from None


def named_files(groups: Sequence[Sequence[str]], *, least: int, option: str) -> Iterator[list[str]]:
    """Return the groups of an option that names files, each after a model or judge.

    Raises: ConfigError for a group that is too short or comes twice.
    """
    seen = set()
    for group in groups:
        name = tuple(group[: least - 1])
        if len(group) < least or name in seen:
            problem = "comes twice" if name in seen else "is too short"
            raise ConfigError(f"{option}: {' '.join(group)!r} {problem}.")
        seen.add(name)
        yield list(group)
