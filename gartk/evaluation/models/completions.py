"""Reading what chat servers send: completions, and how long they ask to wait."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit


class UnreadableReply(Exception):
    """The server answered, but not with a chat completion."""


class EmptyReply(Exception):
    """The server answered with a chat completion that holds no text."""


def retry_after_s(error: BaseException | None) -> float | None:
    """Return the seconds that the server asks to wait (Retry-After, in seconds or as a date), or None."""
    response = getattr(error, "response", None)
    asked = response.headers.get("retry-after") if response is not None else None
    if not asked:
        return None
    try:
        seconds = float(asked)
    except ValueError:
        try:
            when = parsedate_to_datetime(asked)
        except ValueError:
            return None
        when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
        seconds = (when - datetime.now(timezone.utc)).total_seconds()
    return max(0.0, seconds) if seconds == seconds else None


class Completion(NamedTuple):
    """The text that a server sent (None for none), why it ended ("stop", "length"), and whose it is."""

    text: str | None
    finish: str = ""
    model: str = ""


def read_completion(body: bytes) -> Completion:
    """Read a chat completion.

    Raises: UnreadableReply if it is none; EmptyReply if it holds no text and was cut off, or none at all.
    """
    try:
        completion = json.loads(body)
        choice = completion["choices"][0]
        content = choice["message"].get("content")
        finish, model = choice.get("finish_reason"), completion.get("model")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        start = body[:60].decode("utf-8", "replace")
        raise UnreadableReply(f"the server sent no chat completion but {start!r}") from error
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    if not isinstance(content, str) or (not content and finish != "stop"):
        raise EmptyReply(f"the reply holds no text (it ended with {finish!r})")
    return Completion(content, str(finish or ""), str(model or ""))


def without_login(url: str) -> str:
    """Return a URL without a user's name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
