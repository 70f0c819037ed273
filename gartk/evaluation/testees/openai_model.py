"""A model under test behind a server that speaks OpenAI's protocol."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from gartk.errors import DataError, RegionError
from gartk.evaluation.item import Item, TokenLimit, token_limit
from gartk.evaluation.pictures import ImageFinder
from gartk.evaluation.testees.base import Answer
from gartk.evaluation.testees.endpoint import ChatClient
from gartk.evaluation.testees.seeing import Eyes
from gartk.evaluation.testees.threads import in_threads
from gartk.evaluation.testees.visual_prompts import VisualPrompt


class OpenAITestee:
    """Asks a server about every item, several at once.

    Args:
        client: the server.
        find_image: where an item's image lies.
        visual_prompt: how regions are shown.
        system: a system message; none by default.
    """

    def __init__(
        self,
        client: ChatClient,
        find_image: ImageFinder,
        *,
        visual_prompt: VisualPrompt | None = None,
        system: str = "",
    ) -> None:
        self.client = client
        self.visual_prompt = visual_prompt or VisualPrompt()
        self.system = system
        self.name = client.endpoint.model
        self._eyes = Eyes(find_image)

    def about(self) -> dict[str, Any]:
        """Say what changes its answers."""
        shown = self.visual_prompt.about()
        return {"kind": "openai", **self.client.endpoint.about(), **shown, "system": self.system}

    def answers(self, items: Sequence[Item], *, max_new_tokens: TokenLimit) -> Iterator[Answer]:
        """Give the answers as they come.

        Raises: EndpointError if the server cannot be used at all.
        """
        yield from in_threads(
            lambda item: self._answer(item, token_limit(max_new_tokens, item)),
            items,
            threads=self.client.endpoint.threads,
            give_up=self.client.close,
        )

    def _answer(self, item: Item, max_new_tokens: int) -> Answer:
        began = time.perf_counter()
        try:
            parts = self.visual_prompt.parts(item, self._eyes.look(item))
        except (DataError, RegionError) as error:
            return Answer(item, None, str(error), time.perf_counter() - began)
        reply = self.client.ask(parts, system=self.system, max_tokens=max_new_tokens)
        return Answer(item, reply.text, reply.problem, time.perf_counter() - began, reply.details())
