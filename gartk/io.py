"""Reading JSON with errors that name the file and the line, writing whole files, and gartk's cache folder."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any, NoReturn

from gartk.errors import DataError, GartkError


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_STRICT = json.JSONDecoder(parse_constant=_refuse_constant)
_LENIENT = json.JSONDecoder()
# What reading and decoding raise: also for wrong bytes, numbers of 5,000 digits and 100,000 brackets.
_UNREADABLE = (OSError, ValueError, RecursionError)


def cache_dir() -> Path:
    """Return gartk's cache folder: ``GARTK_CACHE``, else ``~/.cache/gartk``."""
    return Path(os.environ.get("GARTK_CACHE") or Path.home() / ".cache" / "gartk")


def read_json(
    path: str | os.PathLike[str],
    *,
    error: type[GartkError] = DataError,
    hint: str = "",
    non_finite: bool = False,
) -> Any:
    """Return what a JSON file holds.

    Args:
        error: the class of error to raise.
        hint: what to do about a bad file, for the error.
        non_finite: whether NaN and Infinity are read as numbers, as Python writes them.

    Raises: ``error`` naming the file, if it is missing, not UTF-8, not JSON or nested too deeply.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        return (_LENIENT if non_finite else _STRICT).decode(text)
    except _UNREADABLE as cause:
        raise error(f"{path} cannot be read as JSON: {_reason(cause, hint)}") from cause


def read_json_object(
    path: str | os.PathLike[str],
    *,
    error: type[GartkError] = DataError,
    hint: str = "",
    non_finite: bool = False,
) -> dict[str, Any]:
    """Return the JSON object that a file holds; arguments and errors as for ``read_json``."""
    value = read_json(path, error=error, hint=hint, non_finite=non_finite)
    if not isinstance(value, dict):
        raise error(f"{path} must hold a JSON object; got {type(value).__name__}. {hint}".rstrip())
    return value


def read_jsonl(
    path: str | os.PathLike[str],
    *,
    error: type[GartkError] = DataError,
    hint: str = "",
    non_finite: bool = False,
    torn_end: bool = False,
) -> list[Any]:
    """Return the values of a file that holds one JSON value a line; blank lines are passed over.

    Args:
        error, hint, non_finite: as for ``read_json``.
        torn_end: whether to leave out a last line without a line break: a kill may have cut it off.

    Raises: ``error`` naming the file and the line.
    """
    try:
        content = Path(path).read_bytes()
        whole = content.rpartition(b"\n")[0] if torn_end else content
        lines = whole.decode("utf-8-sig").split("\n")
    except _UNREADABLE as cause:
        raise error(f"{path} cannot be read as JSON lines: {_reason(cause, hint)}") from cause
    decoder = _LENIENT if non_finite else _STRICT
    values = []
    for number, line in enumerate(lines, start=1):
        try:
            values += [decoder.decode(line)] if line.strip() else []
        except _UNREADABLE as cause:
            raise error(f"{path}, line {number} is not JSON: {_reason(cause, hint)}") from cause
    return values


def _reason(cause: BaseException, hint: str) -> str:
    text = str(cause) or type(cause).__name__
    return f"{text}. {hint}" if hint else text


def write_atomic(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file and the folders above it, flushed to disk.

    Whatever happens, the file is afterwards the old one or the new one. Text is written as UTF-8; what
    UTF-8 cannot hold is escaped.
    """
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        unfinished.write_bytes(
            content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
        )
        flush(unfinished)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
    flush(file.parent)


def flush(path: Path) -> None:
    """Wait until a file, or the list of a folder's files, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
