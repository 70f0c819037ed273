"""DLC-Bench: captions of one region each, judged by multiple-choice questions about the caption.

Source: Describe Anything; scripts of its release and of GAR's, recorded outputs of the latter.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import DataError
from gartk.evaluation.benchmarks.base import BENCHMARKS
from gartk.evaluation.benchmarks.files import first_file
from gartk.evaluation.benchmarks.judged_captions import JudgedCaptions, words_of
from gartk.evaluation.item import JUDGE, Fields, Item, check_unique, is_number, shown
from gartk.evaluation.judgements import JudgeQuestion, Reading, Verdict
from gartk.evaluation.rates import Mean, Rate
from gartk.io import read_json

if TYPE_CHECKING:
    from gartk.evaluation.pictures import ImageFinder, Pictures

NAME = "dlc"
QUESTIONS, ANNOTATIONS, CLASSES = "qa.json", "annotations.json", "class_names.json"
IN_GAR_BENCH = "image_in_gar_bench.json"
CLASS_NAME = "class_name"
RECOGNITION, POSITIVE, NEGATIVE = "details_recognition", "details_positives", "details_negatives"
# The order of the questions of a region, and so of its replies.
PARTS = (RECOGNITION, POSITIVE, NEGATIVE)
SUMMARY = {"avg_pos", "avg_neg", "avg"}
YES_NO = [["Yes", "correct"], ["No", "incorrect"]]
_LABELS = "abcde"


@BENCHMARKS.register()
class DLCBenchmark(JudgedCaptions):
    """DLC-Bench: 100 regions of 77 images, 992 questions to the judge.

    Pos is the mean over the positive questions, Neg over the negative ones, Avg that of the two, each
    0..100 (can be negative). A region's score is the mean over its questions; a region judged as not
    recognised gets min(0, score) for every question.
    published: a reply that names no option scores 0 (recognition: not recognised), and Neg divides by
    all regions. fixed: such a reply is missing. ungated: fixed, without the rule of recognition.
    In all of them a reply that is not there is missing, and so is its region's Pos or Neg.

    Where its own images are missing, those that GAR-Bench has of it serve (image_in_gar_bench.json).
    """

    name = NAME
    size = 100
    folder = "dlc_bench"
    source = "nvidia/DLC-Bench on the Hugging Face hub"
    records = (
        "one judged file (gar_1b_eval.json or gar_1b_eval_gpt.json): an object by region id with pred and"
        " details_recognition, details_positives, details_negatives, each a list of questions with choices"
        " and pred_answer"
    )
    rules = ("published", "fixed", "ungated")
    headline = "fixed"
    judge_sees_pictures = True
    recorded_verdicts = ("recognition_result", "score", "score_pos", "score_neg")

    def load(self, root: Path) -> list[Item]:
        """Read the questions, with each region's mask, image and class."""
        annotations, classes = self.file(root, ANNOTATIONS), self.file(root, CLASSES)
        regions, names = _regions(annotations), _texts(classes)
        items = []
        for item in self.read_annotations([self.file(root, QUESTIONS)]):
            for path, known in ((annotations, regions), (classes, names)):
                if item.id not in known:
                    raise DataError(f"{path} has no region {item.id!r}, which {QUESTIONS} has.")
            (image, mask), name = regions[item.id], names[item.id]
            extra = {**item.extra, CLASS_NAME: name}
            whole = replace(item, image=image, masks=(mask,), reference=name, replies={}, extra=extra)
            items.append(self.with_prompt(whole))
        return items

    def find_image(self, root: Path) -> ImageFinder:
        """Look among its own images, then among those of GAR-Bench."""
        own = super().image_folders(root)
        table = root / self.folder / IN_GAR_BENCH
        twins = _texts(table) if table.is_file() else {}
        other = (root / "gar_bench",)

        def find(item: Item) -> Path | None:
            name = item.image or ""
            found = first_file(own, name) if name else None
            return found or (first_file(other, twins[name]) if name in twins else None)

        return find

    def read_records(self, files: Sequence[str | Path]) -> list[Item]:
        """Read eval files: a region's caption, questions with options, and replies, by its id.

        ``replies["judge"]`` holds the reply to the recognition question, then to the positive and the
        negative ones (``pred_answer``); None where one is missing.
        """
        return check_unique(item for path in files for item in _read_judged(path))

    def read_annotations(self, files: Sequence[str | Path]) -> list[Item]:
        """Read qa.json, the questions of every region, as items without caption and replies."""
        return check_unique(item for path in files for item in _read_questions(path))

    def complete(self, items: Sequence[Item], annotated: Sequence[Item]) -> list[Item]:
        """Add the regions and the questions of qa.json that have no reply, so that they count as missing."""
        known = {item.id: item for item in items}
        unknown = set(known) - {item.id for item in annotated}
        if unknown:
            raise DataError(f"{NAME}: the region {min(unknown)!r} is not in the annotations.")
        return [_merge(known[a.id], a) if a.id in known else a for a in annotated]

    def publish(self, items: Sequence[Item]) -> dict[str, Any]:
        """Return one object by region id, as gar_1b_eval.json."""
        return {item.id: self.to_record(item) for item in items}

    def to_record(self, item: Item) -> dict[str, Any]:
        """Return an item as the region's record; the file holds these by id."""
        record: dict[str, Any] = copy.deepcopy(dict(item.extra))
        if item.prediction:
            record["pred"] = item.prediction
        for question, reply in zip(_questions(record), item.replies.get(JUDGE, ()), strict=False):
            if reply is not None:
                question["pred_answer"] = reply
        return record

    # ---- scoring ----------------------------------------------------------------------------

    def score(self, item: Item) -> dict[str, float | None]:
        """Score Pos, Neg and Avg by each rule; Avg is the item's own score."""
        values: dict[str, float | None] = {}
        for rule in self.rules:
            positive, negative = (_region(item, part, rule) for part in (POSITIVE, NEGATIVE))
            both = None if positive is None or negative is None else (positive + negative) / 2
            values |= {rule: both, f"{rule}/Pos": positive, f"{rule}/Neg": negative}
        return values

    def variants(self, items: Sequence[Item]) -> dict[str, Any]:
        """Average Pos and Neg over regions, and the two."""
        variants = {}
        for rule in self.rules:
            positive, negative = (
                Mean.of(i.scores[f"{rule}/{part}"] for i in items) for part in ("Pos", "Neg")
            )
            scored = min(positive.scored, negative.scored)
            both = Mean.over([positive, negative], scored=scored, total=len(items))
            variants[rule] = {"Pos": positive, "Neg": negative, "Avg": both}
        return variants

    def details(self, items: Sequence[Item]) -> dict[str, Any]:
        """Count the regions recognised, and the recorded choices that are not what the reply says."""
        return {
            "recognised": Rate.of(_recognised(item, "fixed") for item in items).to_json(),
            "conflicts": sum(_conflicts(item) for item in items),
        }

    def remarks(self, report: Mapping[str, Any]) -> list[str]:
        """Return how many recorded choices are not what the reply says."""
        count = report.get("conflicts")
        return [f"{count} recorded choices are not what the reply says; the reply counts"] if count else []

    # ---- the judge --------------------------------------------------------------------------

    def judge_questions(self, item: Item, pictures: Pictures | None = None) -> list[JudgeQuestion]:
        """Ask for the object's class, then each multiple-choice question about the description."""
        kind = "image" if pictures else "text"
        crops = tuple(pictures.crops()[0]) if pictures else ()
        asked = []
        for number, question in enumerate(_questions(item.extra)):
            if number < len(item.extra[RECOGNITION]):
                wording = _DLC_CLASS_IMAGE if pictures else _DLC_CLASS_TEXT
                about = wording.format(name=class_name(item))
            else:
                about = _DLC_OTHER
            text = _DLC.format(
                image="this image" if pictures else "an image",
                shown=_DLC_SHOWN if pictures else "",
                prediction=item.prediction,
                question=about,
                options=_lettered(_option_texts(question)),
            )
            asked.append(JudgeQuestion(f"dlc_{kind}/1", (*crops, text)))
        return asked

    def question_keys(self, item: Item) -> list[Hashable]:
        """Return the key of a question: its part and, beyond the first, their options."""
        return [
            (part, tuple(_option_texts(question)) if part != RECOGNITION else ())
            for part in PARTS
            for question in item.extra[part]
        ]

    def question_text(self, item: Item, number: int) -> str:
        """Return the options of a question."""
        questions = _questions(item.extra)
        return " | ".join(_option_texts(questions[number])) if 0 <= number < len(questions) else ""

    def read_reply(self, item: Item, number: int, reply: str) -> Reading:
        """Read the number of the option; strictly, its letter or its letter and text."""
        texts = _option_texts(_questions(item.extra)[number])
        said = reply.strip()
        forms = [(f"{letter}. {text}", letter) for letter, text in zip("ABCDE", texts, strict=False)]
        exact = [place for place, pair in enumerate(forms) if said in pair]
        return Reading(exact[0] if exact else None, parse_choice(reply, texts))

    def verdict(self, item: Item, number: int, said: Any) -> Verdict:
        """Take the points of the option chosen."""
        points = _questions(item.extra)[number]["choices"][said][1]
        return points if isinstance(points, str) else f"{points:g}"

    def raw_replies(self, replies: Sequence[str | None]) -> Any:
        """Keep the replies to all questions."""
        return list(replies)

    def without_verdicts(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        """Drop the recorded scores, and each question's recorded choice."""
        kept = super().without_verdicts(extra)
        for part in PARTS:
            kept[part] = [
                {key: value for key, value in question.items() if key not in _RECORDED_OF_QUESTION}
                for question in kept.get(part, [])
            ]
        return kept

    def judge_by_rules(self, item: Item) -> list[str]:
        """Go by words: the class is recognised if a word of it is said, "X is mentioned" if X's words are.

        An attribute is right if one of its words is there, and never wrong.
        """
        said = set(words_of(item.prediction or ""))
        replies = []
        for number, question in enumerate(_questions(item.extra)):
            texts = _option_texts(question)
            if number < len(item.extra[RECOGNITION]):
                is_named = said & set(words_of(class_name(item)))
                chosen = _option_with(question, "correct" if is_named else "incorrect")
            else:
                chosen = _statement(texts, said)
            replies.append(f"{chr(65 + chosen)}. {texts[chosen]}")
        return replies


_RECORDED_OF_QUESTION = ("pred_answer", "pred_index", "eval_result")


def _questions(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The questions about a region in the order of its replies."""
    return [question for part in PARTS for question in record[part]]


def _option_texts(question: Mapping[str, Any]) -> list[str]:
    return [choice[0] for choice in question["choices"]]


# ------------------------------------------------------------------ reading files


def _read_judged(path: str | Path) -> list[Item]:
    regions = read_json(path)
    if not isinstance(regions, dict):
        raise DataError(f"{path} must hold an object of regions by id, not {shown(regions)}.")
    items = []
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
    return items


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
        benchmark=NAME,
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


def _regions(path: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Read each region's image and mask from annotations in COCO's form."""
    fields = Fields(_object(path), str(path))
    images = {}
    for number, image in enumerate(fields.entries("images")):
        one = Fields(image if isinstance(image, dict) else {}, f"{path}, image {number}")
        images[one.label("id")] = one.needed_text("file_name")
    regions = {}
    for number, annotation in enumerate(fields.entries("annotations")):
        one = Fields(annotation if isinstance(annotation, dict) else {}, f"{path}, annotation {number}")
        image_id = one.label("image_id")
        if image_id not in images:
            one.fail("image_id", f"names no image of the file: {shown(image_id)}")
        (mask,) = one.masks("segmentation", single=True) or (None,)
        if mask is None:
            one.fail("segmentation", "is missing")
        regions[one.label("id")] = (images[image_id], dict(mask))
    return regions


def _texts(path: Path) -> dict[str, str]:
    found = _object(path)
    for key, value in found.items():
        if not isinstance(value, str) or not value:
            raise DataError(f"{path}: field {key!r} must be a text, not {shown(value)}.")
    return found


def _object(path: Path) -> dict[str, Any]:
    found = read_json(path)
    if not isinstance(found, dict):
        raise DataError(f"{path} must hold an object, not {shown(found)}.")
    return found


# ------------------------------------------------------------------ scoring


def parse_choice(reply: str, choices: Sequence[str]) -> int | None:
    """Return the number of the option that a judge's reply names, or None.

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


def _merge(item: Item, annotated: Item) -> Item:
    """Return an item with all the questions of its region, in the record's order and then the absent ones."""
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
        NAME,
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


def _region(item: Item, part: str, rule: str) -> float | None:
    """Average a part's questions; a region judged as not recognised gets min(0, score) for each."""
    recognised = True if rule == "ungated" else _recognised(item, rule)
    scores = [_question(question, reply, rule) for question, reply in _asked(item, part)]
    known = [value for value in scores if value is not None]
    if not scores:
        return 0.0 if rule == "published" and part == NEGATIVE and recognised is not None else None
    if item.prediction is None or recognised is None or len(known) < len(scores):
        return None
    return 100 * sum(value if recognised else min(0.0, value) for value in known) / len(known)


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


# ------------------------------------------------------------------ what a judge is asked

_DLC = (
    "Below is a description of one object in {image}, and a question about the description with its"
    " options.{shown}\n"
    "Description: {prediction}\n"
    "Question: {question}\n{options}\n"
    "Choose exactly one option, the one that comes closest; it need not fit word for word. Give its letter"
    " and its text as they stand above, without reasons, corrections or the question."
)
_DLC_SHOWN = " The first picture is the part of the image around the object, the second its mask there."
_DLC_CLASS_TEXT = "Can the described object be taken for this: {name}, or something of a similar kind?"
_DLC_CLASS_IMAGE = (
    "The object in the picture is this: {name}. Going by the picture, can the described object be taken for"
    " it, or for something of a similar kind?"
)
_DLC_OTHER = "Which of these statements is true of the description?"


def class_name(item: Item) -> str:
    """Return the class of a region of DLC-Bench: its reference, its ``class_name``, or a recorded question's.

    Raises: DataError if the item names none.
    """
    name = item.extra.get("class_name") or item.reference or _class_asked(item)
    if not isinstance(name, str) or not name:
        raise DataError(
            f"dlc: the region {item.id!r} has no class name, which its first question asks about."
            " Read it with its class (class_names.json)."
        )
    return name


_CLASS_ASKED = re.compile(
    r"description (?:is|are) (?:an? )?(?:given class: )?(.+?),? or (?:an )?objects? of (?:a )?similar type",
    re.IGNORECASE,
)


def _class_asked(item: Item) -> str | None:
    """The class that a recorded question of either published judge asks about."""
    asked = [question.get("question") for question in item.extra[RECOGNITION]]
    found = [_CLASS_ASKED.search(text) for text in asked if isinstance(text, str)]
    return found[0][1] if found and found[0] else None


def _lettered(options: Sequence[str]) -> str:
    return "\n".join(f"{chr(65 + number)}. {option}" for number, option in enumerate(options))


# ------------------------------------------------------------------ the judge that goes by words

_MENTIONED = re.compile(
    r"^The (.+?) (?:is|are) mentioned in the description and (?:is|are) (.+)$", re.IGNORECASE
)


def _option_with(question: Mapping[str, Any], value: str) -> int:
    return next((n for n, choice in enumerate(question["choices"]) if choice[1] == value), 0)


def _statement(texts: Sequence[str], said: set[str]) -> int:
    """Choose among statements of the form "X is (not) mentioned", the most telling one that holds."""
    held = [_strength(text, said) for text in texts]
    return max(range(len(texts)), key=lambda number: held[number])


def _strength(text: str, said: set[str]) -> int:
    """How telling a statement is, if it can hold by the words alone: 0 for one that does not hold."""
    plain = text.strip().rstrip(".")
    attribute = _MENTIONED.match(plain)
    if attribute:
        return 4 if said & set(words_of(attribute[2].replace(" or ", " "))) else 0
    if (" is not " in f" {plain} " and " but is not " in plain) or " but are not " in plain:
        return 0
    absent, _, present = plain.partition(", but ")
    about = set(words_of(re.sub(r"\b(not|mentioned|description|null)\b", " ", present or absent, flags=re.I)))
    named = bool(about) and about <= said
    if present or " not mentioned" not in plain:
        return 3 if named else 0
    return 1 if named else 2
