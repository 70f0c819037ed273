"""The journal of a run: one line for every answer and every judge's reply, written as soon as it is there.

A journal is a JSON lines file that only grows. Its first line says what run it belongs to; a run that is
continued must be the same. A process that is killed loses what it had not yet written, nothing else: a
last line that is torn is cut off when the journal is opened again, and ``torn`` says so.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from gartk.errors import DataError
from gartk.evaluation.item import Item

FORMAT = "gartk-journal-1"
Key = tuple[str, str, str]
_SHOWN_KEYS = 3


class Journal:
    """What a run has done so far, and where it writes what it does next.

    An entry is of a ``kind`` ("answer", "reply"), belongs to an item, and to a ``part`` of it where
    several questions are asked about one item. Of several entries of one kind, item and part the last counts.
    Threads may add at the same time; two processes may not open one journal for writing.

    Args:
        path: the file.
        about: what the run is; everything that changes what would be written.
        resume: continue the journal that is there. Without it there must be none with entries.

    Raises: DataError if there is a journal and ``resume`` is not set, it is one of another run, another
        process writes to it, or a line other than the last is not an entry.
    """

    def __init__(self, path: str | Path, *, about: Mapping[str, Any], resume: bool = False) -> None:
        self.path = Path(path)
        self.torn = 0
        self._entries: dict[str, dict[Key, dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = open(self.path, "ab", buffering=0)  # noqa: SIM115
        try:
            self._own()
            self._open(json.loads(json.dumps(about)), resume=resume)
        except BaseException:
            self._file.close()
            raise

    def _own(self) -> None:
        """Keep other processes out, where the system can."""
        try:
            import fcntl
        except ImportError:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"{self.path}: another process is writing to this journal.") from error

    def _open(self, about: dict[str, Any], *, resume: bool) -> None:
        *whole, rest = self.path.read_bytes().split(b"\n")
        if len(whole) > 1 and not resume:
            raise DataError(
                f"{self.path} holds the answers of an earlier run. Continue it with --resume, or choose"
                " another folder with --out."
            )
        self.torn = len(rest)
        if not whole or not resume:
            os.truncate(self.path, 0)
            self._write({"format": FORMAT, "about": about})
            return
        _check_header(self.path, _entry(self.path, 1, whole[0]), about)
        os.truncate(self.path, sum(len(line) + 1 for line in whole))
        for number, line in enumerate(whole[1:], start=2):
            self._keep(_entry(self.path, number, line))

    def _keep(self, entry: dict[str, Any]) -> None:
        key = (entry.get("task", ""), entry.get("id", ""), entry.get("part", ""))
        self._entries.setdefault(entry.get("kind", ""), {})[key] = entry

    def _write(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps(entry, ensure_ascii=True).encode("ascii") + b"\n"
        while line:
            line = line[self._file.write(line) :]

    def add(self, kind: str, item: Item, *, part: str = "", **fields: Any) -> None:
        """Write an entry; it is safe from a kill of this process once this returns."""
        entry = {"kind": kind, "task": item.task, "id": item.id, **({"part": part} if part else {}), **fields}
        with self._lock:
            self._write(entry)
            self._keep(entry)

    def get(self, kind: str, item: Item, *, part: str = "") -> dict[str, Any] | None:
        """Return the entry of an item, or None."""
        with self._lock:
            return self._entries.get(kind, {}).get((item.task, item.id, part))

    def count(self, kind: str) -> int:
        """How many items and parts have an entry of a kind."""
        with self._lock:
            return len(self._entries.get(kind, {}))

    def close(self) -> None:
        """Close the file and let other processes write to it."""
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _entry(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise DataError(f"{path}, line {number} is not JSON: {error}") from error
    if not isinstance(entry, dict):
        raise DataError(f"{path}, line {number} is no entry of a journal.")
    texts = [entry.get(key, "") for key in ("kind", "task", "id", "part")]
    if not all(isinstance(text, str) for text in texts):
        raise DataError(f"{path}, line {number}: kind, task, id and part must be texts.")
    return entry


def _check_header(path: Path, header: dict[str, Any], about: dict[str, Any]) -> None:
    was = header.get("about")
    if header.get("format") != FORMAT or not isinstance(was, dict):
        raise DataError(f"{path} is not a journal (its first line is not of the format {FORMAT!r}).")
    different = [key for key in sorted({*was, *about}) if was.get(key) != about.get(key)]
    if different:
        changes = [f"{key} was {was.get(key)!r} and is {about.get(key)!r}" for key in different[:_SHOWN_KEYS]]
        raise DataError(
            f"{path} belongs to another run: {'; '.join(changes)}. Choose another folder with --out."
        )
