"""DLC-Bench: captions of one region each, judged by multiple-choice questions about the caption.

Source: Describe Anything; scripts of its release and of GAR's, recorded outputs of the latter.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gartk.errors import DataError
from gartk.evaluation.scoring.items import JUDGE, Fields, Item, check_unique, is_number, shown
from gartk.evaluation.scoring.rates import Mean, Rate
from gartk.io import read_json

BENCHMARK = "dlc"
RECOGNITION, POSITIVE, NEGATIVE = "details_recognition", "details_positives", "details_negatives"
# The order of the questions of a region, and so of its replies.
PARTS = (RECOGNITION, POSITIVE, NEGATIVE)
SUMMARY = {"avg_pos", "avg_neg", "avg"}
YES_NO = [["Yes", "correct"], ["No", "incorrect"]]
_LABELS = "abcde"
RULES = ("published", "fixed", "ungated")


def parse_choice(reply: str, choices: Sequence[str]) -> int | None:
    """Give the number of the option that a judge's reply names, or None.

    In lower case and stripped: the option's text, letter or both; the only option whose text is in
    the reply; "letter." at its start; of several texts in it the one that begins last, the longest if
    they begin together; of the texts that contain the reply the longest; a first letter alone on its line.
    The published script fails on an empty reply and on a letter beyond the options: None here.
    Source: the evaluation script of Describe Anything.
    """
    said = reply.strip().lower()
    texts = [choice.strip().lower() for choice in choices]
    labels = _LABELS[: len(texts)]
    if not said:
        return None
    for number, text in enumerate(texts):
        label = labels[number] if number < len(labels) else None
        if said == text or (label and said in (label, f"{label}. {text}")):
            return number
    inside = [number for number, text in enumerate(texts) if text in said]
    if len(inside) == 1:
        return inside[0]
    if said[0] in _LABELS and said[1:2] == ".":
        return _at(said[0], labels)
    if inside:
        return max(inside, key=lambda number: (said.rfind(texts[number]), len(texts[number])))
    if said in _LABELS and len(said) == 1:
        return None
    around = [number for number, text in enumerate(texts) if said in text]
    if around:
        return max(around, key=lambda number: len(texts[number]))
    return _at(said[0], labels) if said[1:2] == "\n" else None


def _at(letter: str, labels: str) -> int | None:
    return labels.index(letter) if letter in labels else None


def read(paths: Iterable[str | Path]) -> list[Item]:
    """Read the eval files of DLC-Bench: a region's caption, questions with options, and replies, by its id.

    ``replies["judge"]`` holds the reply to the recognition question, then to the positive and the
    negative ones (``pred_answer``); None where one is missing.

    Raises: DataError if a file is none, or a region lacks its questions or an option its score.
    """
    items = []
    for path in paths:
        regions = read_json(path)
        if not isinstance(regions, dict):
            raise DataError(f"{path} must hold an object of regions by id, not {shown(regions)}.")
        for ident, record in regions.items():
            if ident in SUMMARY and (record is None or is_number(record)):
                continue
            if not isinstance(record, dict):
                raise DataError(
                    f"{path}, region {ident!r}: must be an object with questions and replies,"
                    f" not {shown(record)}."
                    " Give the judged file (gar_1b_eval.json), not the one with captions alone."
                )
            items.append(_to_item(Fields(record, f"{path}, region {ident!r}"), ident))
    return check_unique(items)


def _to_item(fields: Fields, ident: str) -> Item:
    replies: list[str | None] = []
    for part in PARTS:
        for number, question in enumerate(fields.entries(part)):
            if not isinstance(question, dict):
                fields.fail(part, f"has a question {number} that is no object but {shown(question)}")
            asked = Fields(question, f"{fields.where}, {part} {number}")
            _check_choices(asked, recognition=part == RECOGNITION)
            replies.append(asked.text("pred_answer"))
    extra = {key: value for key, value in fields.record.items() if key != "pred" or not value}
    return Item(
        benchmark=BENCHMARK,
        id=ident,
        prediction=fields.text("pred"),
        replies={JUDGE: replies},
        extra=extra,
    )


def _check_choices(asked: Fields, *, recognition: bool) -> None:
    choices = asked.entries("choices")
    for choice in choices:
        if not (
            isinstance(choice, list) and len(choice) == 2 and isinstance(choice[0], str) and choice[0].strip()
        ):
            asked.fail("choices", f"must hold pairs of text and score, not {shown(choice)}")
        value = choice[1]
        usable = value in ("correct", "incorrect") if recognition else is_number(value) and -1 <= value <= 1
        if not usable:
            wanted = "'correct' or 'incorrect'" if recognition else "a score of -1 to 1"
            asked.fail("choices", f"must hold {wanted} beside the text, not {shown(value)}")
    if not choices:
        asked.fail("choices", "is empty")


def to_published(item: Item) -> dict[str, Any]:
    """Turn an item back into the region's record; the file holds these by id."""
    record: dict[str, Any] = copy.deepcopy(dict(item.extra))
    if item.prediction:
        record["pred"] = item.prediction
    questions = (question for part in PARTS for question in record[part])
    for question, reply in zip(questions, item.replies.get(JUDGE, ()), strict=False):
        if reply is not None:
            question["pred_answer"] = reply
    return record


def read_questions(paths: Iterable[str | Path]) -> list[Item]:
    """Read qa.json, the questions of every region, as items without caption and replies.

    Raises: DataError if it is not that file.
    """
    return check_unique(item for path in paths for item in _read_questions(path))


def _read_questions(path: str | Path) -> list[Item]:
    regions = read_json(path)
    if not isinstance(regions, dict):
        raise DataError(f"{path} must hold an object of question lists by region id, not {shown(regions)}.")
    items = []
    for ident, questions in regions.items():
        where = f"{path}, region {ident!r}"
        if not isinstance(questions, list) or not all(isinstance(question, dict) for question in questions):
            raise DataError(f"{where}: must be a list of questions, not {shown(questions)}.")
        parts: dict[str, list[Any]] = {RECOGNITION: [{"choices": YES_NO, "type": "recognition"}]}
        parts[POSITIVE] = [question for question in questions if question.get("type") == "positive"]
        parts[NEGATIVE] = [question for question in questions if question.get("type") == "negative"]
        if len(parts[POSITIVE]) + len(parts[NEGATIVE]) != len(questions):
            raise DataError(f"{where}: field 'type' of a question is neither 'positive' nor 'negative'.")
        items.append(_to_item(Fields(parts, where), ident))
    return items


def complete(items: Sequence[Item], annotated: Sequence[Item]) -> list[Item]:
    """Add the regions and the questions of qa.json that have no reply, so that they count as missing.

    Raises: DataError if a region is not in qa.json.
    """
    known = {item.id: item for item in items}
    unknown = set(known) - {item.id for item in annotated}
    if unknown:
        raise DataError(f"dlc: the region {min(unknown)!r} is not in the annotations.")
    return [_merge(known[a.id], a) if a.id in known else a for a in annotated]


def _merge(item: Item, annotated: Item) -> Item:
    """Give an item all the questions of its region, in the record's order and then the absent ones."""
    parts: dict[str, list[Any]] = {}
    replies: list[str | None] = []
    for part in PARTS:
        asked = list(item.extra[part])
        said = [reply for _, reply in _asked(item, part)]
        for question in annotated.extra[part]:
            if part == RECOGNITION and asked:
                continue
            if question["choices"] not in [q["choices"] for q in asked]:
                asked.append(question)
                said.append(None)
        parts[part] = asked
        replies += said
    return Item(
        BENCHMARK,
        item.id,
        prediction=item.prediction,
        replies={JUDGE: replies},
        extra={**item.extra, **parts},
    )


def _asked(item: Item, part: str) -> list[tuple[Mapping[str, Any], str | None]]:
    """The questions of a part with the replies to them."""
    questions = [(p, question) for p in PARTS for question in item.extra[p]]
    replies = list(item.replies.get(JUDGE, ()))
    replies += [None] * (len(questions) - len(replies))
    return [(q, reply) for (p, q), reply in zip(questions, replies, strict=False) if p == part]


def score(items: Sequence[Item]) -> dict[str, Any]:
    """Score the regions: mean over the positive questions, over the negative ones, and Avg of the two.

    Units: 0..100 (can be negative). A region's score is the mean over its questions, Pos and Neg the
    means over regions; a region judged as not recognised gets min(0, score) for every question.
    published: a reply that names no option scores 0 (recognition: not recognised), and Neg divides by
    all regions. fixed: such a reply is missing. ungated: fixed, without the rule of recognition.
    In all of them a reply that is not there is missing, and so is its region's Pos or Neg; ``scored`` of
    ``total`` regions says how many are not. ``conflicts`` counts recorded choices that are not what
    the reply says; the reply counts.
    """
    return {
        "variants": {rule: _means(items, rule) for rule in RULES},
        "recognised": Rate.of(_recognised(item, "fixed") for item in items).to_json(),
        "conflicts": sum(_conflicts(item) for item in items),
    }


def _means(items: Sequence[Item], rule: str) -> dict[str, Any]:
    positive = Mean.of((_region(item, POSITIVE, rule) for item in items), scale=100)
    negative = Mean.of((_region(item, NEGATIVE, rule) for item in items), scale=100)
    average = None
    if positive.value is not None and negative.value is not None:
        average = (positive.value + negative.value) / 2
    both = Mean(average, min(positive.scored, negative.scored), len(items))
    return {"Pos": positive.to_json(), "Neg": negative.to_json(), "Avg": both.to_json()}


def _region(item: Item, part: str, rule: str) -> float | None:
    recognised = True if rule == "ungated" else _recognised(item, rule)
    scores = [_question(question, reply, rule) for question, reply in _asked(item, part)]
    known = [value for value in scores if value is not None]
    if not scores:
        return 0.0 if rule == "published" and part == NEGATIVE and recognised is not None else None
    if item.prediction is None or recognised is None or len(known) < len(scores):
        return None
    return sum(value if recognised else min(0.0, value) for value in known) / len(known)


def _question(question: Mapping[str, Any], reply: str | None, rule: str) -> float | None:
    if reply is None:
        return None
    chosen = parse_choice(reply, [choice[0] for choice in question["choices"]])
    if chosen is None:
        return 0.0 if rule == "published" else None
    return float(question["choices"][chosen][1])


def _recognised(item: Item, rule: str) -> bool | None:
    asked = _asked(item, RECOGNITION)
    if not asked or asked[0][1] is None:
        return None
    question, reply = asked[0]
    chosen = parse_choice(reply or "", [choice[0] for choice in question["choices"]])
    if chosen is None:
        return False if rule == "published" else None
    return bool(question["choices"][chosen][1] == "correct")


def _conflicts(item: Item) -> int:
    """How many recorded choices of a region are not what the reply says."""
    count = 0
    for question, reply in (pair for part in PARTS for pair in _asked(item, part)):
        if reply is not None and question.get("pred_index") is not None:
            count += (
                parse_choice(reply, [choice[0] for choice in question["choices"]]) != question["pred_index"]
            )
    recorded = item.extra.get("recognition_result")
    return count + (isinstance(recorded, bool) and recorded != _recognised(item, "published"))
