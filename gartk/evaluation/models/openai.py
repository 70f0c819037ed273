"""A chat model on any server that speaks OpenAI's chat protocol, and how its failures are lived with.

A call that fails is retried with growing pauses, or after the pause that the server asks for
(Retry-After). One that keeps failing gives a reply without text and with the problem: it is missing, and
never a wrong answer. What makes every call fail (no access, no such model, no server) raises.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gartk.errors import ConfigError, EndpointError
from gartk.evaluation.models.cache import ReplyCache, request_key
from gartk.evaluation.models.chat import CHAT_MODELS, ChatModel, ChatReply, one_line
from gartk.evaluation.models.completions import (
    Completion,
    EmptyReply,
    UnreadableReply,
    read_completion,
    retry_after_s,
    without_login,
)
from gartk.evaluation.models.pictures import PictureFormat, data_url
from gartk.evaluation.models.threads import RateLimit

if TYPE_CHECKING:
    from gartk.evaluation.models.chat import Part

BASE_URL_ENV, DEFAULT_KEY_ENV = "OPENAI_BASE_URL", "OPENAI_API_KEY"


@CHAT_MODELS.register()
@dataclass(eq=False)
class OpenAIChatModel(ChatModel):
    """Asks a model on a server, greedily; the key comes from the environment and is written nowhere.

    Args:
        model: the model's name, as the server knows it.
        name: what results call it; by default ``model``.
        sees_images: False for a model that reads texts alone.
        base_url: the server, e.g. ``http://127.0.0.1:8000/v1``; None for ``OPENAI_BASE_URL`` or OpenAI's.
        key_env: the environment variable that holds the key. A server given by ``base_url`` may need none.
        threads: calls at once.
        per_minute: calls a minute, at most; None for no limit.
        tries: how often a call is tried before it is given up.
        timeout_s: how long the server may stay silent.
        first_pause_s: the pause before the second try; each further one is twice as long, and a bit.
        max_pause_s: the longest pause before another try; one that the server asks for counts up to it.
        give_up_after: after so many failed calls without a single good one in between, all is given up.
        temperature: 0 for greedy; None leaves it to the server, as some models demand.
        seed: sent where it is given.
        max_tokens_field: ``max_completion_tokens`` for models that know no ``max_tokens``.
        picture_format: how pictures are sent; masks are always PNG.
        max_side_px: pictures with a longer side are scaled down to it; None sends them as they are.
        cache: the file that keeps replies between runs; None asks every time.

    Raises: ConfigError for a number out of range, if the package openai is missing, or a hosted server has
        no key; DataError if the cache cannot be opened.
    """

    model: str
    name: str = ""
    sees_images: bool = True
    base_url: str | None = None
    key_env: str = DEFAULT_KEY_ENV
    threads: int = 4
    per_minute: float | None = None
    tries: int = 6
    timeout_s: float = 120.0
    first_pause_s: float = 1.0
    max_pause_s: float = 60.0
    give_up_after: int = 10
    temperature: float | None = 0.0
    seed: int | None = None
    max_tokens_field: str = "max_tokens"
    picture_format: PictureFormat = "jpeg"
    max_side_px: int | None = None
    cache: str | Path | None = None

    def __post_init__(self) -> None:
        self._check()
        self.name = self.name or self.model
        self._key = os.environ.get(self.key_env) or ""
        self._client = self._connect()
        self._where = without_login(str(self._client.base_url))
        self._kept = None if self.cache is None else ReplyCache(self.cache)
        self._limit = RateLimit(self.per_minute)
        self._stopped = threading.Event()
        self._failed_in_a_row = 0
        self._lock = threading.Lock()

    def _check(self) -> None:
        for name in ("threads", "tries", "give_up_after", "max_side_px"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"OpenAIChatModel.{name} must be at least 1; got {value}.")
        for name in ("per_minute", "timeout_s", "first_pause_s", "max_pause_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"OpenAIChatModel.{name} must be above 0; got {value}.")
        if not str(self.model).strip():
            raise ConfigError("OpenAIChatModel.model is empty. Give the model's name, as in openai:gpt-4o.")

    def _connect(self) -> Any:
        try:
            from openai import OpenAI
        except ImportError as error:
            raise ConfigError(
                "Asking a server needs the package openai: pip install 'gartk[eval]'."
            ) from error
        hosted = not (self.base_url or os.environ.get(BASE_URL_ENV))
        if hosted and not self._key:
            raise ConfigError(
                f"There is no key for {self.model}: set the environment variable {self.key_env}, or name a"
                " server of your own with base_url (--base-url, for a judge --judge-base-url)."
            )
        key = self._key or "none"
        return OpenAI(api_key=key, base_url=self.base_url, timeout=self.timeout_s, max_retries=0)

    def about(self) -> dict[str, Any]:
        """Return what decides its replies: not how fast or how often it is called, and no key."""
        options = {"temperature": self.temperature, "picture_format": self.picture_format}
        seed = {} if self.seed is None else {"seed": self.seed}
        server = without_login(self.base_url or os.environ.get(BASE_URL_ENV) or "")
        about = {"kind": "openai", "model": self.model, **options, **seed}
        return {**about, "max_side_px": self.max_side_px, "base_url": server}

    def reply(self, parts: Sequence[Part], *, system: str = "", max_new_tokens: int) -> ChatReply:
        """Return the server's reply, with why it ended, whose it is and the tries as details.

        Raises: EndpointError if the server refuses access, has no such model, or ``give_up_after`` calls
            failed one after the other.
        """
        request = self._request(parts, system, max_new_tokens)
        key = request_key({"server": self._where, **request})
        known = self._kept.get(key) if self._kept is not None else None
        if known is not None:
            return _reply(Completion(**known), cached=True)
        completion, problem, tries = self._try(request)
        if completion.text is not None and self._kept is not None:
            self._kept.put(key, completion._asdict())
        return _reply(completion, problem, tries)

    def close(self) -> None:
        """Abandon all waiting calls and close the connections."""
        self._stopped.set()
        self._client.close()

    def _request(self, parts: Sequence[Part], system: str, max_new_tokens: int) -> dict[str, Any]:
        messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": [self._content(part) for part in parts]})
        optional = {"temperature": self.temperature, "seed": self.seed}
        return {
            "model": self.model,
            "messages": messages,
            self.max_tokens_field: max_new_tokens,
            **{name: value for name, value in optional.items() if value is not None},
        }

    def _content(self, part: Part) -> dict[str, Any]:
        if isinstance(part, str):
            return {"type": "text", "text": part}
        url = data_url(part, picture_format=self.picture_format, max_side_px=self.max_side_px)
        return {"type": "image_url", "image_url": {"url": url}}

    # ---- calls and their failures -----------------------------------------------------------

    def _try(self, request: Mapping[str, Any]) -> tuple[Completion, str, int]:
        """Call until it works or the tries are used up: completion, problem, tries."""
        from tenacity import Retrying, retry_if_exception, sleep_using_event, stop_after_attempt
        from tenacity import stop_when_event_set as stop_when

        retrying = Retrying(
            retry=retry_if_exception(_may_pass),
            wait=self._pause,
            stop=stop_after_attempt(self.tries) | stop_when(self._stopped),
            sleep=sleep_using_event(self._stopped),
            reraise=True,
        )
        completion, problem = Completion(None), ""
        try:
            completion = retrying(self._call, request)
        except EmptyReply as error:
            problem = str(error)
        except Exception as error:
            self._refuse_all(error)
            return completion, self._describe(error), int(retrying.statistics["attempt_number"])
        with self._lock:
            self._failed_in_a_row = 0
        return completion, problem, int(retrying.statistics["attempt_number"])

    def _call(self, request: Mapping[str, Any]) -> Completion:
        self._limit.wait()
        raw = self._client.chat.completions.with_raw_response.create(**request)
        return read_completion(raw.content)

    def _pause(self, state: Any) -> float:
        """How long to wait before the next try: what the server asks for, else ever longer."""
        from tenacity import wait_exponential, wait_random

        asked = retry_after_s(state.outcome.exception())
        if asked is not None:
            return min(asked, self.max_pause_s)
        growing = wait_exponential(multiplier=self.first_pause_s) + wait_random(0, self.first_pause_s)
        return min(float(growing(state)), self.max_pause_s)

    def _refuse_all(self, error: Exception) -> None:
        """Raise if a failure means that no call can succeed."""
        import openai

        said = self._describe(error)
        if isinstance(error, openai.AuthenticationError):
            self._stop(f"refuses access: {said}. Check the key in {self.key_env}.")
        if isinstance(error, openai.NotFoundError):
            self._stop(f"is not there: {said}. Check the model's name and base_url.")
        with self._lock:
            self._failed_in_a_row += 1
            hopeless = self._failed_in_a_row >= self.give_up_after
        if hopeless:
            self._stop(
                f"does not answer: {self.give_up_after} calls failed one after the other, the last with:"
                f" {said}. When the server works again, continue with --resume --retry-missing."
            )

    def _stop(self, problem: str) -> NoReturn:
        self._stopped.set()
        raise EndpointError(f"{self._where} ({self.model}) {problem}")

    def _describe(self, error: Exception) -> str:
        """Return what went wrong on one line, without the key, whatever the server sends back."""
        return one_line(error, secret=self._key, shown_as=f"[{self.key_env}]")


def _reply(completion: Completion, problem: str = "", tries: int = 0, *, cached: bool = False) -> ChatReply:
    text, finish, model = completion
    return ChatReply(text, problem, {"finish": finish, "model": model, "tries": tries, "cached": cached})


def _may_pass(error: BaseException) -> bool:
    """Whether another try may help: too many calls, a fault of the server or the line, no completion."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return error.status_code in (408, 409, 425, 429) or error.status_code >= 500
    return isinstance(error, (openai.APIConnectionError, openai.APIResponseValidationError, UnreadableReply))
