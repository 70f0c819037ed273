"""A judge behind any server that speaks OpenAI's chat protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gartk.errors import JudgeError
from gartk.evaluation.judges.asking import AskingJudge
from gartk.registry import JUDGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gartk.evaluation.judgements import JudgeQuestion, Part
    from gartk.evaluation.testees.endpoint import Reply


class Client(Protocol):
    """What the judge needs of a client; ``gartk.evaluation.testees.endpoint.ChatClient`` is one."""

    def ask(self, parts: Sequence[Part], *, system: str = "", max_tokens: int = 1024) -> Reply:
        """Ask one question of texts and pictures."""
        ...


@JUDGES.register()
class OpenAIJudge(AskingJudge):
    """Asks a model on a server, hosted or local, at temperature 0.

    Retries, pauses, rate limits and the cache are the client's; a call that stays without a reply is
    missing. The key comes from the environment and is never written anywhere.

    Args:
        model: the model's name, as the server knows it.
        name: what its verdicts are recorded under; the model's name where it is left out.
        sees_images: False for a model that reads texts alone (DLC-Bench's text judge).
        threads: questions at once.
        cache: a file that keeps replies between runs; None asks every time.
        client: a client of your own in place of one that is made from the other arguments.
        base_url, key_env, per_minute, tries, timeout_s, temperature, max_tokens_field: as ``Endpoint``.

    Raises: ConfigError if an argument is out of range, or a hosted server has no key.
    """

    def __init__(
        self,
        *,
        model: str,
        name: str | None = None,
        sees_images: bool = True,
        threads: int = 4,
        cache: str | Path | None = None,
        client: Client | None = None,
        base_url: str | None = None,
        key_env: str = "OPENAI_API_KEY",
        per_minute: float | None = None,
        tries: int = 6,
        timeout_s: float = 120.0,
        temperature: float | None = 0.0,
        max_tokens_field: str = "max_tokens",
    ) -> None:
        super().__init__(name=name or model, sees_images=sees_images, threads=threads)
        options = {
            "base_url": base_url,
            "key_env": key_env,
            "per_minute": per_minute,
            "tries": tries,
            "timeout_s": timeout_s,
            "temperature": temperature,
            "max_tokens_field": max_tokens_field,
        }
        self._client = client or _connect(model, threads, cache, options)

    def ask(self, question: JudgeQuestion) -> str:
        """Ask the server.

        Raises: JudgeError if the reply is missing; EndpointError if the server cannot be used at all.
        """
        reply = self._client.ask(question.parts, system=question.system, max_tokens=question.max_tokens)
        if reply.text is None:
            raise JudgeError(reply.problem or "there was no reply")
        return reply.text


def _connect(model: str, threads: int, cache: str | Path | None, options: dict[str, Any]) -> Client:
    from gartk.evaluation.testees.cache import ReplyCache
    from gartk.evaluation.testees.endpoint import ChatClient, Endpoint

    kept = None if cache is None else ReplyCache(cache)
    return ChatClient(Endpoint(model=model, threads=threads, **options), kept)
