"""Replies of servers, kept between runs by what was asked.

This is a table of the standard library's SQLite: it needs nothing installed, stores no pickles, and is safe
between threads and processes.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gartk.errors import DataError
from gartk.io import cache_dir

_WAIT_S = 30.0


def default_cache() -> Path:
    """Return the usual file of replies, in gartk's cache (``GARTK_CACHE``, else ``~/.cache/gartk``)."""
    return cache_dir() / "replies.sqlite"


def request_key(request: Mapping[str, Any]) -> str:
    """Return the key of a request: a hash of all of it (server, model, texts, images, options)."""
    text = json.dumps(request, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class ReplyCache:
    """A file of replies by key; threads may share one.

    Raises: DataError if the file cannot be opened or is no cache.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._table = sqlite3.connect(
                self.path, timeout=_WAIT_S, check_same_thread=False, isolation_level=None
            )
            self._table.execute("PRAGMA journal_mode=WAL")
            self._table.execute(
                "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            raise DataError(
                f"{self.path} cannot be used as a cache of replies: {error}. Name another (--cache), or none"
                " (--no-cache)."
            ) from error

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the reply of a key, or None."""
        with self._lock:
            row = self._table.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, key: str, reply: Mapping[str, Any]) -> None:
        """Keep a reply."""
        with self._lock:
            self._table.execute(
                "INSERT OR REPLACE INTO replies VALUES (?, ?)", (key, json.dumps(reply, ensure_ascii=True))
            )

    def __len__(self) -> int:
        with self._lock:
            return int(self._table.execute("SELECT COUNT(*) FROM replies").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._table.close()
