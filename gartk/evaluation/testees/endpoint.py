"""Asking any server that speaks OpenAI's chat protocol, hosted or local, and living with its failures.

A call that fails is retried with growing pauses, or after the pause that the server asks for
(Retry-After). One that keeps failing gives a Reply without text and with the problem: it is missing, and
never a wrong answer. What makes every call fail (no access, no such model, nobody there) raises.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from gartk.errors import ConfigError, EndpointError
from gartk.evaluation.testees.cache import ReplyCache, request_key
from gartk.evaluation.testees.completions import (
    EmptyReply,
    UnreadableReply,
    read_completion,
    retry_after_s,
    without_login,
)
from gartk.evaluation.testees.pictures import PictureFormat, data_url
from gartk.evaluation.testees.threads import RateLimit

if TYPE_CHECKING:
    from gartk.evaluation.testees.pictures import Picture

    Part = str | Picture

DEFAULT_KEY_ENV = "OPENAI_API_KEY"
_MAX_PROBLEM = 300


@dataclass(frozen=True)
class Endpoint:
    """A server, a model on it, and how it is called.

    Args:
        model: the model's name, as the server knows it.
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
        max_tokens_field: ``max_completion_tokens`` for models that know no ``max_tokens``.
        picture_format: how pictures are sent; masks are always PNG.
        max_side_px: pictures with a longer side are scaled down to it; None sends them as they are.

    Raises: ConfigError for a number out of range.
    """

    model: str
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
    max_tokens_field: str = "max_tokens"
    picture_format: PictureFormat = "jpeg"
    max_side_px: int | None = None

    def __post_init__(self) -> None:
        for name in ("threads", "tries", "give_up_after", "max_side_px"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"Endpoint.{name} must be at least 1; got {value}.")
        for name in ("per_minute", "timeout_s", "first_pause_s", "max_pause_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"Endpoint.{name} must be above 0; got {value}.")
        if not self.model.strip():
            raise ConfigError("Endpoint.model is empty. Give the model's name, as in openai:gpt-4o.")

    def about(self) -> dict[str, Any]:
        """Say what decides its replies: not how fast or how often it is called, and no key."""
        kept = ("model", "temperature", "picture_format", "max_side_px")
        own = {name: value for name, value in asdict(self).items() if name in kept}
        return {**own, "base_url": without_login(self.base_url or os.environ.get("OPENAI_BASE_URL") or "")}


@dataclass(frozen=True)
class Reply:
    """What came back: a text, or None and the problem.

    ``finish`` is why the text ended ("stop", "length"), ``model`` what the server says answered,
    ``tries`` the calls that were made (0 if the cache had it). Units: ``seconds``, pauses included.
    """

    text: str | None
    problem: str = ""
    finish: str = ""
    model: str = ""
    tries: int = 0
    cached: bool = False
    seconds: float = 0.0

    def details(self) -> dict[str, Any]:
        """Give what is worth keeping beside the text."""
        return {"finish": self.finish, "model": self.model, "tries": self.tries, "cached": self.cached}


class ChatClient:
    """Sends questions of texts and pictures to an endpoint; threads may share one.

    Args:
        endpoint: whom to ask.
        cache: where replies are kept; None asks every time.

    Raises: ConfigError if the package openai is missing, or a hosted server has no key.
    """

    def __init__(self, endpoint: Endpoint, cache: ReplyCache | None = None) -> None:
        self.endpoint = endpoint
        self.cache = cache
        self._key = os.environ.get(endpoint.key_env) or ""
        self._limit = RateLimit(endpoint.per_minute)
        self._stopped = threading.Event()
        self._failed_in_a_row = 0
        self._lock = threading.Lock()
        self._client = self._connect()

    def _connect(self) -> Any:
        try:
            from openai import OpenAI
        except ImportError as error:
            raise ConfigError(
                "Asking a server needs the package openai: pip install 'gartk[eval]'."
            ) from error
        hosted = not (self.endpoint.base_url or os.environ.get("OPENAI_BASE_URL"))
        if hosted and not self._key:
            raise ConfigError(
                f"There is no key: set the environment variable {self.endpoint.key_env}, or name a server of"
                " your own with --base-url."
            )
        return OpenAI(
            api_key=self._key or "none",
            base_url=self.endpoint.base_url,
            timeout=self.endpoint.timeout_s,
            max_retries=0,
        )

    def ask(
        self,
        parts: Sequence[Part],
        *,
        system: str = "",
        max_tokens: int = 1024,
        seed: int | None = None,
    ) -> Reply:
        """Ask one question, made of texts and pictures in order.

        Shapes: a picture is (H, W, 3) uint8, (H, W) bool for a mask, or a Pillow image.
        Raises: EndpointError if the server refuses access, has no such model, or ``give_up_after`` calls
            failed one after the other.
        """
        began = time.perf_counter()
        request = self._request(parts, system=system, max_tokens=max_tokens, seed=seed)
        key = request_key({"server": without_login(str(self._client.base_url)), **request})
        known = self.cache.get(key) if self.cache is not None else None
        if known is not None:
            return Reply(**known, cached=True, seconds=time.perf_counter() - began)
        text, finish, model, problem, tries = self._try(request)
        if text is not None and self.cache is not None:
            self.cache.put(key, {"text": text, "finish": finish, "model": model})
        return Reply(text, problem, finish, model, tries, seconds=time.perf_counter() - began)

    def close(self) -> None:
        """Give all waiting calls up and close the connections."""
        self._stopped.set()
        self._client.close()

    def _request(
        self, parts: Sequence[Part], *, system: str, max_tokens: int, seed: int | None
    ) -> dict[str, Any]:
        messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": [self._content(part) for part in parts]})
        optional = {"temperature": self.endpoint.temperature, "seed": seed}
        return {
            "model": self.endpoint.model,
            "messages": messages,
            self.endpoint.max_tokens_field: max_tokens,
            **{name: value for name, value in optional.items() if value is not None},
        }

    def _content(self, part: Part) -> dict[str, Any]:
        if isinstance(part, str):
            return {"type": "text", "text": part}
        end = self.endpoint
        url = data_url(part, picture_format=end.picture_format, max_side_px=end.max_side_px)
        return {"type": "image_url", "image_url": {"url": url}}

    def _try(self, request: Mapping[str, Any]) -> tuple[str | None, str, str, str, int]:
        """Call until it works or the tries are used up: text, finish, model, problem, tries."""
        from tenacity import Retrying, retry_if_exception, sleep_using_event, stop_after_attempt
        from tenacity import stop_when_event_set as stop_when

        retrying = Retrying(
            retry=retry_if_exception(_may_pass),
            wait=self._pause,
            stop=stop_after_attempt(self.endpoint.tries) | stop_when(self._stopped),
            sleep=sleep_using_event(self._stopped),
            reraise=True,
        )
        try:
            text, finish, model = retrying(self._call, request)
            problem = ""
        except EmptyReply as error:
            text, finish, model, problem = None, "", "", str(error)
        except Exception as error:
            self._refuse_all(error)
            return None, "", "", self._describe(error), int(retrying.statistics["attempt_number"])
        with self._lock:
            self._failed_in_a_row = 0
        return text, finish, model, problem, int(retrying.statistics["attempt_number"])

    def _call(self, request: Mapping[str, Any]) -> tuple[str, str, str]:
        self._limit.wait()
        raw = self._client.chat.completions.with_raw_response.create(**request)
        return read_completion(raw.content)

    def _pause(self, state: Any) -> float:
        """How long to wait before the next try: what the server asks for, else ever longer."""
        from tenacity import wait_exponential, wait_random

        asked, end = retry_after_s(state.outcome.exception()), self.endpoint
        if asked is not None:
            return min(asked, end.max_pause_s)
        growing = wait_exponential(multiplier=end.first_pause_s) + wait_random(0, end.first_pause_s)
        return min(float(growing(state)), end.max_pause_s)

    def _refuse_all(self, error: Exception) -> None:
        """Raise if a failure means that no call can succeed."""
        import openai

        where = f"{without_login(str(self._client.base_url))} ({self.endpoint.model})"
        if isinstance(error, openai.AuthenticationError):
            self._stop(
                f"{where} refuses access: {self._describe(error)}. Check the key in {self.endpoint.key_env}."
            )
        if isinstance(error, openai.NotFoundError):
            self._stop(
                f"{where} is not there: {self._describe(error)}. Check the model's name and --base-url."
            )
        with self._lock:
            self._failed_in_a_row += 1
            hopeless = self._failed_in_a_row >= self.endpoint.give_up_after
        if hopeless:
            self._stop(
                f"{where}: {self.endpoint.give_up_after} calls failed one after the other, the last with:"
                f" {self._describe(error)}. When the server works again, continue with"
                " --resume --retry-missing."
            )

    def _stop(self, problem: str) -> NoReturn:
        self._stopped.set()
        raise EndpointError(problem)

    def _describe(self, error: Exception) -> str:
        """Say what went wrong on one line, without the key, whatever the server sends back."""
        text = " ".join(f"{type(error).__name__}: {error}".split())
        if self._key:
            text = text.replace(self._key, f"[{self.endpoint.key_env}]")
        return text if len(text) <= _MAX_PROBLEM else f"{text[: _MAX_PROBLEM - 3]}..."


def _may_pass(error: BaseException) -> bool:
    """Whether another try may help: too many calls, a fault of the server or the line, no completion."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return error.status_code in (408, 409, 425, 429) or error.status_code >= 500
    return isinstance(error, (openai.APIConnectionError, openai.APIResponseValidationError, UnreadableReply))
