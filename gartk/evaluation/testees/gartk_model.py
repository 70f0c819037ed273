"""A model of gartk under test: masks go in as they are, several items at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from gartk.compat.switches import ReleaseCompat
from gartk.errors import GartkError, RegionError
from gartk.evaluation.item import Item, TokenLimit, asked, token_limit
from gartk.evaluation.pictures import ImageFinder
from gartk.evaluation.testees.base import Answer
from gartk.evaluation.testees.seeing import Eyes
from gartk.inference.batching import answer_samples
from gartk.structures import Sample, Turn

if TYPE_CHECKING:
    from gartk.inference.api import RegionAssistant

BATCH_SIZE = 8


class GartkTestee:
    """Asks a model of gartk, greedily.

    An item with more regions than the model has prompts gets no answer, and so does one whose image or
    masks cannot be used. Of a video it sees the frame in which the regions are marked.

    Args:
        assistant: the model, as ``gartk.load`` gives it.
        find_image: where an item's image lies.
        name: what it is called in results; where it came from if left out.
        batch_size: how many items go through the model at once.
    """

    def __init__(
        self,
        assistant: RegionAssistant,
        find_image: ImageFinder,
        *,
        name: str = "",
        batch_size: int = BATCH_SIZE,
    ) -> None:
        self.assistant = assistant
        self.name = name or assistant.origin
        self.batch_size = batch_size
        self._eyes = Eyes(find_image)

    def about(self) -> dict[str, Any]:
        """Say what changes its answers."""
        model = self.assistant.model
        weights = sum(parameter.numel() for parameter in model.parameters())
        dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
        compat = sorted(ReleaseCompat.of(model).on())
        what = {"model": self.name, "origin": self.assistant.origin, "parameters": weights}
        return {"kind": "gartk", **what, "dtype": dtype, "compat": compat}

    def answers(self, items: Sequence[Item], *, max_new_tokens: TokenLimit) -> Iterator[Answer]:
        """Answer the items batch by batch."""
        source = iter(items)
        while batch := list(islice(source, self.batch_size)):
            yield from self._answer(batch, max_new_tokens)

    def _answer(self, items: Sequence[Item], max_new_tokens: TokenLimit) -> Iterator[Answer]:
        samples: list[tuple[Item, Sample]] = []
        for item in items:
            try:
                samples.append((item, self._sample(item)))
            except GartkError as error:
                yield Answer(item, None, str(error))
        try:
            answered = self._ask(samples, max_new_tokens)
        except GartkError:
            # One of them cannot be encoded: each on its own, so that the others are answered.
            answered = [one for pair in samples for one in self._ask_alone(pair, max_new_tokens)]
        yield from answered

    def _sample(self, item: Item) -> Sample:
        limit = self.assistant.max_regions
        if len(item.masks) > limit:
            raise RegionError(f"it has {len(item.masks)} regions, and this model has prompts for {limit}")
        seen = self._eyes.look(item)
        return Sample(seen.pixels, seen.regions, [Turn("user", asked(item))], id=item.id)

    def _ask_alone(self, pair: tuple[Item, Sample], max_new_tokens: TokenLimit) -> list[Answer]:
        began = time.perf_counter()
        try:
            return self._ask([pair], max_new_tokens)
        except GartkError as error:
            return [Answer(pair[0], None, str(error), time.perf_counter() - began)]

    def _ask(self, pairs: Sequence[tuple[Item, Sample]], max_new_tokens: TokenLimit) -> list[Answer]:
        limits = {id(sample): token_limit(max_new_tokens, item) for item, sample in pairs}
        replies = answer_samples(
            self.assistant.model,
            [sample for _, sample in pairs],
            batch_size=self.batch_size,
            max_new_tokens=lambda sample: limits[id(sample)],
        )
        answers = []
        for (item, _), (_, reply) in zip(pairs, replies, strict=True):
            made = reply.generated
            details = {
                "num_new_tokens": made.num_new_tokens,
                "finish": "stop" if made.ended else "length",
            }
            answers.append(Answer(item, made.text, "", reply.seconds, details))
        return answers
