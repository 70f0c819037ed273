"""A model of gartk under test: masks go in as they are, several items at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from gartk.compat.switches import ReleaseCompat
from gartk.errors import GartkError, RegionError
from gartk.evaluation.item import token_limit
from gartk.evaluation.models.base import MODELS_UNDER_TEST, Answer, ModelUnderTest
from gartk.evaluation.models.chat import ChatReply
from gartk.evaluation.models.item_view import ItemView, ViewReader

if TYPE_CHECKING:
    from gartk.evaluation.item import Item, TokenLimit
    from gartk.evaluation.pictures import ImageFinder
    from gartk.inference.api import RegionAssistant
    from gartk.structures import Sample

    Limited = tuple[Sample, int]

BATCH_SIZE = 8


@MODELS_UNDER_TEST.register()
class GartkModelUnderTest(ModelUnderTest):
    """Asks a model of gartk, greedily.

    An item with more regions than the model has prompts gets no answer, and so does one whose image or
    masks cannot be used. Of a video it sees the frame in which the regions are marked.

    Args:
        source: what ``gartk.load`` takes ("tiny", a folder, a config, a hub id), or what it returned.
        name: what results call it; by default its source.
        device, dtype: as for ``gartk.load``.
        batch_size: how many items go through the model at once.
        release_compat: switches deviations of the authors' release on or off, as ``gartk.load`` does.

    Raises: CheckpointError or ConfigError if the model cannot be loaded.
    """

    def __init__(
        self,
        source: str | RegionAssistant,
        *,
        name: str = "",
        device: str = "auto",
        dtype: str | None = None,
        batch_size: int = BATCH_SIZE,
        release_compat: Mapping[str, bool] | None = None,
    ) -> None:
        if isinstance(source, str):
            from gartk.inference.api import load

            name = name or source
            source = load(source, device=device, dtype=dtype, release_compat=release_compat)
        self.assistant = source
        self.name = name or source.origin
        self.batch_size = batch_size

    def about(self) -> dict[str, Any]:
        """Return what changes its answers."""
        model = self.assistant.model
        weights = sum(parameter.numel() for parameter in model.parameters())
        dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
        compat = sorted(ReleaseCompat.of(model).on())
        what = {"model": self.name, "origin": self.assistant.origin, "parameters": weights}
        return {"kind": "gartk", **what, "dtype": dtype, "compat": compat}

    def answers(
        self, items: Sequence[Item], *, find_image: ImageFinder, max_new_tokens: TokenLimit
    ) -> Iterator[Answer]:
        """Yield the answers batch by batch."""
        reader, source = ViewReader(find_image), iter(items)
        while batch := list(islice(source, self.batch_size)):
            yield from self._answer(batch, reader, max_new_tokens)

    def reply(self, view: ItemView, *, max_new_tokens: int) -> ChatReply:
        """Return the reply to one item."""
        return self._ask([(self._sample(view), max_new_tokens)])[0][0]

    def _answer(
        self, items: Sequence[Item], reader: ViewReader, max_new_tokens: TokenLimit
    ) -> Iterator[Answer]:
        opened: list[Item] = []
        limited: list[Limited] = []
        for item in items:
            try:
                limited.append((self._sample(reader.read(item)), token_limit(max_new_tokens, item)))
                opened.append(item)
            except GartkError as error:
                yield Answer(item, None, str(error))
        try:
            asked = self._ask(limited)
        except GartkError:
            # One of them cannot be encoded: each on its own, so that the others are answered.
            asked = [self._ask_alone(one) for one in limited]
        for item, (reply, seconds) in zip(opened, asked, strict=True):
            yield Answer.of(item, reply, seconds)

    def _sample(self, view: ItemView) -> Sample:
        from gartk.structures import Sample, Turn

        limit = self.assistant.max_regions
        if len(view.regions) > limit:
            raise RegionError(f"it has {len(view.regions)} regions, and this model has prompts for {limit}")
        return Sample([view.pixels], view.regions, [Turn("user", view.question)], id=view.id)

    def _ask_alone(self, limited: Limited) -> tuple[ChatReply, float]:
        began = time.perf_counter()
        try:
            return self._ask([limited])[0]
        except GartkError as error:
            return ChatReply(None, str(error)), time.perf_counter() - began

    def _ask(self, limited: Sequence[Limited]) -> list[tuple[ChatReply, float]]:
        """Return the reply to each sample, of at most so many tokens, and its seconds."""
        from gartk.inference.batching import answer_samples

        limits = {id(sample): limit for sample, limit in limited}
        answered = answer_samples(
            self.assistant.model,
            [sample for sample, _ in limited],
            batch_size=self.batch_size,
            max_new_tokens=lambda sample: limits[id(sample)],
        )
        replies = []
        for _, one in answered:
            made = one.generated
            details = {"num_new_tokens": made.num_new_tokens, "finish": "stop" if made.ended else "length"}
            replies.append((ChatReply(made.text, details=details), one.seconds))
        return replies
