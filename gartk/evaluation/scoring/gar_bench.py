"""GAR-Bench: multiple choice (VQA) and judged captions (Cap).

Source: Grasp Any Region, Tables 1 and 2; scripts and recorded outputs of its release.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from gartk.errors import DataError
from gartk.evaluation.scoring.choices import (
    add_rotations,
    as_published,
    letter_report,
    letter_variants,
    options_from,
    rotation_prefix,
)
from gartk.evaluation.scoring.items import (
    JUDGE,
    Fields,
    Item,
    Layout,
    check_unique,
    read_files,
    to_item,
    to_record,
)
from gartk.evaluation.scoring.rates import Rate

VQA = Layout(
    benchmark="gar-vqa",
    id="image",
    task="type",
    image="image",
    masks="mask_rles",
    question="question",
    reference="answer",
    prediction="model_output",
    needed=("task", "reference"),
)
CAPTION = Layout(
    benchmark="gar-cap",
    id="image",
    image="image",
    masks="mask_rles",
    question="question",
    reference="answer",
    prediction="model_output",
    reply="eval_result",
)
# The paper's names of the sub-tasks, by the type that the records state; in the order of Table 1.
SUB_TASKS = {
    "color": "Color",
    "shape": "Shape",
    "texture/pattern": "Texture",
    "material": "Material",
    "ordering": "Position",
    "mirror": "Non-Entity",
    "relation": "Relation",
}
PAPER_TOTAL = 214
SIMPLE, DETAILED = "simple", "detailed"


def read_vqa(paths: Iterable[str | Path]) -> list[Item]:
    """Read the records of GAR-Bench-VQA, with or without the model's output.

    Raises: DataError if a record lacks a field, or its answer is none of its choices.
    """
    items = []
    for fields in read_files(paths):
        item = to_item(fields, VQA, id_prefix=rotation_prefix(fields))
        options = options_from(fields.texts("choices"))
        if item.reference.upper() not in options:
            fields.fail("answer", f"is {item.reference!r}, which is none of the letters {', '.join(options)}")
        items.append(item)
    return check_unique(items)


def read_cap(paths: Iterable[str | Path], *, kind: str | None = None) -> list[Item]:
    """Read the records of GAR-Bench-Cap; ``kind`` says which of simple and detailed are expected.

    Raises: DataError if a record lacks a field or is of the other kind.
    """
    items = []
    for fields in read_files(paths):
        found = _kind(fields)
        if kind not in (None, found):
            raise DataError(
                f"{fields.where}: this is a record of the {found} captions, not of the {kind} ones."
            )
        items.append(to_item(fields, CAPTION, task=found))
    return check_unique(items)


def _kind(fields: Fields) -> str:
    if "predicate_name" in fields.record:
        for key in ("subject_name", "object_name", "predicate_name"):
            fields.needed_text(key)
        return DETAILED
    fields.needed_text("answer")
    return SIMPLE


def to_published(item: Item) -> dict[str, Any]:
    """Turn an item back into the published record."""
    return to_record(item, VQA if item.benchmark == VQA.benchmark else CAPTION)


def score_vqa(items: Sequence[Item]) -> dict[str, Any]:
    """Score the letters, micro over all items, by the strict rule (published) and the lenient one.

    strict: the whole reply is the letter, whatever its case; all else is wrong. lenient: the letter
    that the reply names; a reply that names none is missing. No prediction is missing in both. Rotated
    options (see ``choices.circular``) are scored apart; only their rotation 0 enters the other scores.
    """
    plain = as_published(items)
    variants = add_rotations(letter_variants(plain, sub_tasks=SUB_TASKS), items)
    return {"variants": variants, "letters": letter_report(plain)}


def published_verdict(reply: str) -> bool:
    """The release's rule: the judge said exactly "True"; all else is no hit."""
    return reply == "True"


def tolerant_verdict(reply: str) -> bool | None:
    """True or False, whatever the case and the punctuation around it; None for any other reply."""
    return {"true": True, "false": False}.get(reply.strip(" \t\r\n.!\"'*`").lower())


def score_cap(items: Sequence[Item]) -> dict[str, Any]:
    """Score the judged captions: simple, detailed and both, the latter also over the paper's 214.

    published: a verdict other than "True" is no hit. tolerant: one that is neither true nor false is
    missing. No caption or no verdict is missing in both. ``overall_214`` is None unless both are there.
    """
    rules = {"published": published_verdict, "tolerant": tolerant_verdict}
    return {"variants": {name: _cap_rates(items, rule) for name, rule in rules.items()}}


def _cap_rates(items: Sequence[Item], rule: Callable[[str], bool | None]) -> dict[str, Any]:
    rates: dict[str, Any] = {}
    for kind in (SIMPLE, DETAILED):
        verdicts = [_verdict(item, rule) for item in items if item.task == kind]
        if verdicts:
            rates[kind] = Rate.of(verdicts)
    if len(rates) == 2:
        both = [rates[SIMPLE], rates[DETAILED]]
        hits, total, missing = (sum(getattr(r, name) for r in both) for name in ("hits", "total", "missing"))
        rates["overall"] = Rate(hits, total, missing)
        if total <= PAPER_TOTAL:
            rates["overall_214"] = Rate(hits, PAPER_TOTAL, missing)
    return {name: rate.to_json() for name, rate in rates.items()}


def _verdict(item: Item, rule: Callable[[str], bool | None]) -> bool | None:
    reply = item.replies.get(JUDGE)
    if item.prediction is None or not isinstance(reply, str):
        return None
    return rule(reply)
