"""Prompt text: where regions, placeholders and conversations become token ids."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from gartk.errors import DataError, RegionError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from gartk.structures import ChatFormat, PromptTokens, Turn

IGNORE = -100
DESCRIBE_QUESTION = "Describe <Prompt0> in detail."
_PROMPT = re.compile(r"<Prompt(\d+)>")


@dataclass(frozen=True)
class PromptTemplate:
    """The wording that introduces the regions before the first question.

    ``mention`` is repeated for each region in the list of objects; ``block_head`` and
    ``block_tail`` stand around the local tokens of each region, ``between_blocks`` between them. A
    model without local tokens leaves the blocks out.

    Source: the release's multi-region wording.
    """

    intro: str = "There are some objects I am curious about: "
    mention: str = "{prompt}; "
    after_mentions: str = "\n"
    block_head: str = "{prompt}: "
    block_tail: str = "\n"
    between_blocks: str = ""
    before_question: str = "\n"


def names_prompts(text: str) -> bool:
    """Return whether a text names any ``<Prompt i>``."""
    return _PROMPT.search(text) is not None


def unknown_prompts(text: str, num_regions: int) -> list[str]:
    """Return the ``<Prompt i>`` in a text that no region stands for."""
    return [m.group(0) for m in _PROMPT.finditer(text) if int(m.group(1)) >= num_regions]


class TextEncoder:
    """Encodes trusted markup as it stands and user text so that it can never act as markup.

    In user text every token of the tokenizer's added vocabulary (chat markup, placeholders,
    ``<Prompt i>``) is cut apart, so that it is read as plain characters; only ``<Prompt i>`` of a
    region that exists keeps its meaning. ``prompt_ids`` holds for each region, in order, what texts call it
    and the id of its token.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, tokens: PromptTokens) -> None:
        self.tokenizer = tokenizer
        self.tokens = tokens
        self.prompt_ids = {name: self.token_id(name) for name in tokens.prompts}
        control = {*tokenizer.get_added_vocab(), *tokenizer.all_special_tokens}
        longest_first = sorted(control, key=lambda token: (-len(token), token))
        self._control = re.compile("|".join(re.escape(token) for token in longest_first))

    def token_id(self, name: str) -> int:
        """Id of a token that must be one entry of the vocabulary.

        Raises: DataError if the tokenizer splits it.
        """
        ids = self.tokenizer.encode(name, add_special_tokens=False)
        if len(ids) != 1:
            raise DataError(
                f"The tokenizer has no single token {name!r} (it gives {len(ids)} pieces). Add it first."
            )
        return int(ids[0])

    def markup(self, text: str) -> list[int]:
        """Encode trusted text; special tokens in it count."""
        return list(self.tokenizer.encode(text, add_special_tokens=False)) if text else []

    def plain(self, text: str, num_regions: int) -> list[int]:
        """Encode text of a user or an annotation; only ``<Prompt i>`` with i < num_regions counts."""
        allowed = dict(islice(self.prompt_ids.items(), num_regions))
        ids: list[int] = []
        start = position = 0
        while (found := self._control.search(text, position)) is not None:
            if found.group() in allowed:
                ids += self.markup(text[start : found.start()])
                ids.append(allowed[found.group()])
                start = position = found.end()
            else:
                position = found.start() + 1
                ids += self.markup(text[start:position])
                start = position
        return ids + self.markup(text[start:])


class ConversationEncoder:
    """Turns a conversation about R regions into ids and labels.

    The first user turn is preceded by the placeholders of all images, in order; each user turn by the
    introduction of the regions that come with it (all with the first, unless told otherwise). A region has
    a block of placeholders for each image on which it is seen. What the assistant says, its closing token
    included, is what labels hold.

    Raises: RegionError for more regions than the vocabulary has prompt tokens; DataError for turns
    that do not alternate, or a region that no user turn introduces.
    """

    def __init__(
        self,
        text: TextEncoder,
        chat: ChatFormat,
        *,
        tokens_per_region: int,
        template: PromptTemplate | None = None,
    ) -> None:
        self.text = text
        self.chat = chat
        self.tokens_per_region = tokens_per_region
        self.template = template or PromptTemplate()
        self._image_id = text.token_id(text.tokens.image)
        self._region_ids = [text.token_id(name) for name in text.tokens.regions]

    def __call__(
        self,
        turns: Sequence[Turn],
        *,
        seen_on: Sequence[int],
        image_tokens: Sequence[int],
        introduced: Sequence[int] | None = None,
    ) -> tuple[list[int], list[int]]:
        """Encode the turns; a conversation that ends with the user gets the assistant's opening.

        ``seen_on[i]`` is the number of images on which region i is seen; ``image_tokens`` the number of
        tokens of each image; ``introduced[i]`` the number of the user turn (from 0) that brings region i.
        """
        num_regions = len(seen_on)
        introduced = [0] * num_regions if introduced is None else list(introduced)
        self._check(turns, num_regions, introduced)
        chat = self.chat
        ids = self.text.markup(chat.start)
        if chat.system is not None:
            ids += self._message("system", self.text.plain(chat.system, 0))
        labels = [IGNORE] * len(ids)
        for number, turn in enumerate(turns):
            body = self.text.plain(turn.text, num_regions)
            if turn.role == "assistant":
                opening = self.text.markup(chat.before["assistant"])
                answer = body + self.text.markup(chat.after["assistant"])
                ids += opening + answer
                labels += [IGNORE] * len(opening) + answer
                continue
            brought = [region for region, at in enumerate(introduced) if at == number // 2]
            images = [] if number else [i for count in image_tokens for i in self._image(count)]
            body = images + self._introduction(brought, seen_on) + body
            message = self._message("user", body)
            ids += message
            labels += [IGNORE] * len(message)
        if turns[-1].role == "user":
            opening = self.text.markup(chat.before["assistant"])
            ids += opening
            labels += [IGNORE] * len(opening)
        return ids, labels

    def _message(self, role: str, body: list[int]) -> list[int]:
        before, after = self.chat.before[role], self.chat.after[role]  # type: ignore[index]
        return self.text.markup(before) + body + self.text.markup(after)

    def _image(self, count: int) -> list[int]:
        if not count:
            return []
        before, after = self.text.tokens.image_wrap
        return self.text.markup(before) + [self._image_id] * count + self.text.markup(after)

    def _introduction(self, regions: Sequence[int], seen_on: Sequence[int]) -> list[int]:
        if not regions:
            return []
        template, prompts = self.template, self.text.tokens.prompts
        mentions = "".join(template.mention.format(prompt=prompts[i]) for i in regions)
        ids = self.text.markup(template.intro + mentions + template.after_mentions)
        before, after = (self.text.markup(part) for part in self.text.tokens.region_wrap)
        for place, index in enumerate(regions if self.tokens_per_region else ()):
            ids += self.text.markup(template.between_blocks if place else "")
            ids += self.text.markup(template.block_head.format(prompt=prompts[index]))
            ids += (before + [self._region_ids[index]] * self.tokens_per_region + after) * seen_on[index]
            ids += self.text.markup(template.block_tail.format(prompt=prompts[index]))
        return ids + self.text.markup(template.before_question)

    def _check(self, turns: Sequence[Turn], num_regions: int, introduced: Sequence[int]) -> None:
        limit = min(len(self.text.tokens.prompts), len(self._region_ids))
        if num_regions > limit:
            raise RegionError(
                f"{num_regions} regions were given, but this model's vocabulary has prompt tokens for"
                f" {limit}. Ask about fewer regions at a time, build the model with a larger num_prompts, or"
                f" extend it: gartk.compat.extend_prompts(model, {num_regions - limit})."
            )
        expected = [("user", "assistant")[i % 2] for i in range(len(turns))]
        roles = [turn.role for turn in turns]
        if not turns or roles != expected:
            raise DataError(
                f"Turns must alternate user, assistant, ... and start with the user; got {roles or 'none'}."
            )
        user_turns = (len(turns) + 1) // 2
        if len(introduced) != num_regions or any(not 0 <= at < user_turns for at in introduced):
            raise DataError(
                f"introduced must name one of the {user_turns} user turns for each of the {num_regions}"
                f" regions; got {list(introduced)}."
            )
