"""VideoRefer-Bench: D (descriptions, judged in four dimensions) and Q (multiple choice).

Source: VideoRefer Suite, scripts of its release.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gartk.evaluation.scoring.choices import (
    add_rotations,
    as_published,
    by_task,
    letter_report,
    letter_variants,
    reference_letter,
    rotation_prefix,
)
from gartk.evaluation.scoring.items import (
    JUDGE,
    Item,
    Layout,
    check_unique,
    is_number,
    read_files,
    shown,
    to_item,
    to_record,
)
from gartk.evaluation.scoring.rates import Mean

D = Layout(
    benchmark="videorefer-d",
    id="id",
    image="video",
    masks="annotation",
    reference="caption",
    prediction="pred",
    reply="reply",
    needed=("reference",),
)
Q = Layout(
    benchmark="videorefer-q",
    id="id",
    task="type",
    image="video",
    masks="annotation",
    question="Question",
    reference="Answer",
    prediction="pred",
    needed=("task", "reference"),
)
DIMENSIONS = (
    "Subject Correspondence",
    "Appearance Description",
    "Temporal Description",
    "Hallucination Detection",
)
TYPES = {
    "Basic Questions": "Basic",
    "Sequential Questions": "Sequential",
    "Relationship Questions": "Relationship",
    "Reasoning Questions": "Reasoning",
    "Future Predictions": "Future",
}
HIGHEST = 5
_SCORE = re.compile(r"\d{1,3}\.([^:\n]{0,80}):[^\S\n]*(\d+)")


def read_d(paths: Iterable[str | Path]) -> list[Item]:
    """Read the items of D: the annotation with ``pred`` and ``reply`` (raw) or the four scores by name.

    Raises: DataError if a record lacks a field or a recorded score is no number.
    """
    items = []
    for fields in read_files(paths):
        for name in DIMENSIONS:
            value = fields.record.get(name)
            if value is not None and not is_number(value):
                fields.fail(name, f"must be a number, not {shown(value)}")
        items.append(to_item(fields, D))
    return check_unique(items)


def read_q(paths: Iterable[str | Path]) -> list[Item]:
    """Read the items of Q: the annotation with the model's reply in ``pred``.

    Raises: DataError if a record lacks a field or its ``Answer`` names no letter.
    """
    items = []
    for fields in read_files(paths):
        fields.texts("options")
        if reference_letter(fields.needed_text("Answer")) is None:
            fields.fail("Answer", f"must begin with a letter as (A), not {shown(fields.record['Answer'])}")
        items.append(to_item(fields, Q, id_prefix=rotation_prefix(fields)))
    return check_unique(items)


def to_published(item: Item) -> dict[str, Any]:
    """Turn an item back into the published record."""
    return to_record(item, D if item.benchmark == D.benchmark else Q)


def parse_dimensions(reply: str) -> dict[str, int]:
    """Give the scores of a numbered list "1. Subject Correspondence: 4", by dimension; the last one counts.

    A dimension may be named by its first word alone, as in "Appearance".
    """
    scores = {}
    for name, value in _SCORE.findall(reply):
        words = re.sub(r"[^a-z ]", "", name.lower()).split()
        for dimension in DIMENSIONS:
            if words and words[0] == dimension.split()[0].lower() and len(value) < 10:
                scores[dimension] = int(value)
    return scores


def _dimensions(item: Item, *, checked: bool) -> Mapping[str, float]:
    if item.prediction is None:
        return {}
    reply = item.replies.get(JUDGE)
    if isinstance(reply, str):
        scores: dict[str, float] = dict(parse_dimensions(reply))
    else:
        scores = {name: float(item.extra[name]) for name in DIMENSIONS if item.extra.get(name) is not None}
    in_range = {name: value for name, value in scores.items() if 0 <= value <= HIGHEST}
    if checked:
        return in_range if len(in_range) == len(DIMENSIONS) else {}
    return scores


def score_d(items: Sequence[Item]) -> dict[str, Any]:
    """Score the four dimensions and their mean.

    Units: 0..5. published: a dimension's mean is over the items whose reply gives it, whatever
    number it gives. fixed: an item whose reply does not give all four from 0 to 5 is missing in all.
    No description or no reply is missing in both. Avg is None unless every dimension has a mean.
    """
    return {"variants": {"published": _means(items, checked=False), "fixed": _means(items, checked=True)}}


def _means(items: Sequence[Item], *, checked: bool) -> dict[str, Any]:
    scores = [_dimensions(item, checked=checked) for item in items]
    means = {name: Mean.of((s.get(name) for s in scores), digits=2) for name in DIMENSIONS}
    values = [mean.value for mean in means.values() if mean.value is not None]
    average = sum(values) / len(DIMENSIONS) if len(values) == len(DIMENSIONS) else None
    means["Avg"] = Mean(average, min(mean.scored for mean in means.values()), len(items), digits=2)
    return {name: mean.to_json() for name, mean in means.items()}


def published_letter(reply: str) -> str | None:
    """Give the letter by VideoRefer's rule: the first "(X)", else the first "X)", else the first character.

    Dots are left out before the last step. None for a reply without any character, on which the script fails.
    """
    for pattern in (r"\(([A-Za-z])\)", r"([A-Za-z])\)"):
        found = re.search(pattern, reply)
        if found:
            return found[1].upper()
    rest = reply.replace(".", "").strip()
    return rest[0].upper() if rest else None


def score_q(items: Sequence[Item]) -> dict[str, Any]:
    """Score the letters: micro over all items, and for each type of question.

    published: VideoRefer's rule; a reply without a character is missing. strict and lenient are those
    of GAR-Bench: all but the bare letter is wrong; a reply that names no letter is missing. Rotated options
    are scored apart, as there.
    """
    plain = as_published(items)
    verdicts = [_published_verdict(item) for item in plain]
    variants = {"published": by_task(plain, verdicts, TYPES), **letter_variants(plain, sub_tasks=TYPES)}
    return {"variants": add_rotations(variants, items), "letters": letter_report(plain)}


def _published_verdict(item: Item) -> bool | None:
    said = None if item.prediction is None else published_letter(item.prediction)
    return None if said is None else said == reference_letter(item.reference)
