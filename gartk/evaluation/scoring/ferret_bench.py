"""Ferret-Bench, referring description: a judge rates the reference (1) and the model's answer (2) 1 to 10.

Source: Ferret; scripts and recorded reviews of GAR's release.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from gartk.evaluation.scoring.items import (
    JUDGE,
    Fields,
    Item,
    Layout,
    check_unique,
    is_number,
    read_files,
    shown,
    to_item,
    to_record,
)
from gartk.evaluation.scoring.rates import Mean, Ratio, finite

Pair = tuple[float, float]

REVIEW = Layout(
    benchmark="ferret",
    id="question_id",
    image="image",
    masks="annotation",
    question="text",
    reference="answer1",
    prediction="answer2",
    reply="content",
    single_mask=True,
)
FAILED: Pair = (-1.0, -1.0)
LOWEST, HIGHEST = 1.0, 10.0


def read(paths: Iterable[str | Path]) -> list[Item]:
    """Read reviews (review_refer_desc.jsonl), or the annotations, which have no review.

    Raises: DataError if a record lacks its ``question_id`` or a field has the wrong type.
    """
    items = []
    for fields in read_files(paths):
        check_scores(fields)
        items.append(to_item(fields, REVIEW))
    return check_unique(items)


def check_scores(fields: Fields) -> None:
    """Check the recorded pair of scores, where there is one.

    Raises: DataError if it is not two numbers.
    """
    pair = fields.record.get("tuple")
    if pair is not None and not (isinstance(pair, list) and len(pair) == 2 and all(map(is_number, pair))):
        fields.fail("tuple", f"must be two numbers, not {shown(pair)}")


def to_published(item: Item) -> dict[str, Any]:
    """Turn an item back into the published record."""
    return to_record(item, REVIEW)


def parse_scores(reply: str) -> Pair | None:
    """Give the two scores on the first line of a reply, reference first; None if they cannot be read.

    Commas count as spaces; what follows the two numbers on the line is not looked at.
    """
    words = reply.split("\n")[0].replace(",", " ").strip().split(" ")
    try:
        first, second = float(words[0]), float(words[1])
    except (ValueError, IndexError):
        return None
    return (first, second) if is_number(first) and is_number(second) else None


def published_scores(item: Item) -> Pair | None:
    """Give an item's scores as the release does: (-1, -1) for a reply that cannot be read.

    None without a prediction, or with neither a reply nor a recorded pair of scores.
    """
    reply = item.replies.get(JUDGE)
    if item.prediction is None:
        return None
    if isinstance(reply, str):
        return parse_scores(reply) or FAILED
    recorded = item.extra.get("tuple")
    return (float(recorded[0]), float(recorded[1])) if recorded else None


def fixed_scores(item: Item) -> Pair | None:
    """Give an item's scores; None also if they cannot be read or are not from 1 to 10."""
    scores = published_scores(item)
    return scores if scores and all(LOWEST <= value <= HIGHEST for value in scores) else None


RULES: dict[str, Callable[[Item], Pair | None]] = {"published": published_scores, "fixed": fixed_scores}


def mean_pair(pairs: Sequence[Pair | None], *, digits: int) -> tuple[Mean, Mean]:
    """Give the mean of the reference's and of the model's scores."""
    reference = Mean.of((pair and pair[0] for pair in pairs), digits=digits)
    return reference, Mean.of((pair and pair[1] for pair in pairs), digits=digits)


def score(items: Sequence[Item]) -> dict[str, Any]:
    """Score the model's mean in per cent of the reference's mean, each rounded to three digits first.

    published: a reply without two numbers counts as -1 for both, and is averaged. fixed: it is
    missing, and so are scores that are not from 1 to 10. No answer or no review is missing in both.
    """
    variants = {
        name: {"refer_desc": _ratio([rule(i) for i in items]).to_json()} for name, rule in RULES.items()
    }
    return {"variants": variants}


def _ratio(pairs: Sequence[Pair | None]) -> Ratio:
    reference, model = mean_pair(pairs, digits=1)
    if reference.value is None or model.value is None or round(reference.value, 3) <= 0:
        return Ratio(None, model, reference)
    return Ratio(finite(100 * round(model.value, 3) / round(reference.value, 3)), model, reference)
