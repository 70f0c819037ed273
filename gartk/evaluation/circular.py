"""Circular options: a multiple-choice question asked once for every rotation of its options.

A model that prefers a letter cannot gain by it: the question counts as right only if it is answered
rightly in every rotation (see ``gartk.evaluation.scoring.choices.circular``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gartk.errors import ConfigError
from gartk.evaluation.prompts import with_prompt
from gartk.evaluation.scoring.choices import (
    CIRCLE,
    OPTION_KEYS,
    ROTATION,
    option_spans,
    options_from,
    options_of,
    reference_letter,
)
from gartk.evaluation.scoring.items import Item

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def rotations(item: Item) -> list[Item]:
    """Give an item with each rotation of its options, the published order first.

    Rotation r puts option r first and asks for the letter that the right option then has. An item
    whose answer is no letter of an option comes back alone.
    """
    options = options_of(item)
    right = reference_letter(item.reference)
    if right is None or right not in options:
        return [_numbered(item, 0)]
    return [_numbered(_rotated(item, len(options), r, right), r) for r in range(len(options))]


def circular_items(items: Sequence[Item]) -> list[Item]:
    """Give all rotations of all items.

    Raises: ConfigError if no item has options.
    """
    turned = [one for item in items for one in rotations(item)]
    if items and len(turned) == len(items):
        raise ConfigError(f"{items[0].benchmark} has no options to rotate; leave --circular out.")
    return turned


def _numbered(item: Item, rotation: int) -> Item:
    """Mark a rotation as the readers of recorded outputs do, and write its prompt."""
    extra = {**item.extra, CIRCLE: item.id, ROTATION: rotation}
    return with_prompt(replace(item, id=f"{item.id}+{rotation} {item.id}", extra=extra))


def _rotated(item: Item, count: int, rotation: int, right: str) -> Item:
    key = next((key for key in OPTION_KEYS if item.extra.get(key)), None)
    place = (_LETTERS.index(right) - rotation) % count
    moved = replace(item, reference=_reference(item.reference, right, _LETTERS[place]))
    if key is None:
        return replace(moved, question=_turn_text(item.question, rotation))
    turned: Any = item.extra[key]
    if isinstance(turned, str):
        turned = _turn_text(turned, rotation)
    elif isinstance(turned, dict):
        turned = dict(zip(turned, _turn(list(turned.values()), rotation), strict=True))
    else:
        turned = _turn_list(turned, rotation)
    return replace(moved, extra={**item.extra, key: turned})


def _turn(values: Sequence[str], rotation: int) -> list[str]:
    return [*values[rotation:], *values[:rotation]]


def _turn_list(choices: Sequence[str], rotation: int) -> list[str]:
    """Rotate choices, each label staying in its place."""
    texts = list(options_from(choices).values())
    labels = [choice[: len(choice) - len(text)] for choice, text in zip(choices, texts, strict=True)]
    return [label + text for label, text in zip(labels, _turn(texts, rotation), strict=True)]


def _turn_text(text: str, rotation: int) -> str:
    """Rotate options that are written in a text, all else staying in its place."""
    spans = option_spans(text)
    texts = _turn([text[start:end] for start, end in spans], rotation)
    parts, at = [], 0
    for (start, end), option in zip(spans, texts, strict=True):
        parts += [text[at:start], option]
        at = end
    return "".join(parts) + text[at:]


def _reference(reference: str, right: str, letter: str) -> str:
    """Write another letter into a reference "B", "(b)" or "(B) red"."""
    at = reference.upper().index(right)
    return reference[:at] + (letter if reference[at].isupper() else letter.lower()) + reference[at + 1 :]
