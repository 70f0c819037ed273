"""What judges are asked, benchmark by benchmark: the one place where the wording stands.

The sentences are ours; what they ask for is what the published instructions ask for. A prompt has a
version ("gar_cap_simple/1"), which is kept with every verdict: change a sentence and raise its number.

Source: the judge scripts of Grasp Any Region, Describe Anything, Ferret, Draw-and-Understand and
VideoRefer; the instructions' content as stated there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError, DataError, did_you_mean
from gartk.evaluation.scoring import dlc_bench, ferret_bench, gar_bench, mdvp_bench, video_refer
from gartk.evaluation.scoring.items import Item
from gartk.evaluation.verdicts import dlc_questions, option_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gartk.evaluation.judges.pictures import Pictures

    Part = str | NDArray[Any]


@dataclass(frozen=True)
class JudgeQuestion:
    """One question to a judge: texts and pictures in their order, and how long the reply may be.

    Shapes: a picture is (H, W, 3) uint8, a mask (H, W) bool.
    """

    prompt: str
    parts: tuple[Part, ...]
    system: str = ""
    max_tokens: int = 300

    @property
    def text(self) -> str:
        """All texts, a line each, with a mark where a picture stands."""
        return "\n".join(part if isinstance(part, str) else "[picture]" for part in self.parts)


# ------------------------------------------------------------------ GAR-Bench-Cap

_ONE_WORD = "Reply with one word and nothing else: True or False."
_MARKS = (
    "Marks such as <Prompt0> stand for regions of the image. For every region you see two pictures: the part"
    " of the image around it, and the same part of its mask, in which the region is white."
)
_CAP_SIMPLE = (
    "A model described how regions of this image relate to each other. Compare its description with the"
    " correct one.\n{marks}\n"
    "Correct description: {reference}\n"
    "The model's description: {prediction}\n"
    "Do both say the same about the regions? Other words with the same meaning count as the same. A relation"
    " that is turned around, another relation, or other regions do not.\n{one_word}"
)
_CAP_DETAILED = (
    "A model was asked to describe <Prompt0> in detail, and how it relates to <Prompt1>. Check its"
    " description.\n{marks}\n"
    "<Prompt0> is: {subject}\n<Prompt1> is: {object}\n"
    "Their relation, from <Prompt0> to <Prompt1>: {predicate}\n"
    "The model's description: {prediction}\n"
    "1. Is the {subject} mentioned?\n"
    "2. Does the description convey a relation between the {subject} and the {object} that has to do with"
    " '{predicate}'?\n"
    "Other words with the same meaning count. Your verdict is True only if both hold.\n{one_word}"
)


def gar_cap(item: Item, pictures: Pictures | None) -> list[JudgeQuestion]:
    """Ask whether a caption means what the reference says (simple) or conveys the relation (detailed)."""
    version = f"gar_cap_{item.task}{'' if pictures else '_text'}/1"
    marks = _MARKS if pictures else "Marks such as <Prompt0> stand for regions of an image."
    if item.task == gar_bench.SIMPLE:
        text = _CAP_SIMPLE.format(
            marks=marks, reference=item.reference, prediction=item.prediction, one_word=_ONE_WORD
        )
    else:
        text = _CAP_DETAILED.format(
            marks=marks,
            subject=item.extra["subject_name"],
            object=item.extra["object_name"],
            predicate=item.extra["predicate_name"],
            prediction=item.prediction,
            one_word=_ONE_WORD,
        )
    parts = (*(_numbered_pictures(pictures) if pictures else ()), text)
    return [JudgeQuestion(version, parts, max_tokens=16)]


def _numbered_pictures(pictures: Pictures) -> list[Part]:
    """The whole image and the two crops of every region, each announced by a running number."""
    parts: list[Part] = ["1. The whole image:", pictures.whole()]
    for region, (crop, mask) in enumerate(pictures.crops()):
        number = 2 * region + 2
        parts += [f"{number}. The part of the image around <Prompt{region}>:", crop]
        parts += [f"{number + 1}. The mask of <Prompt{region}> in that part:", mask]
    return parts


# ------------------------------------------------------------------ DLC-Bench

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


def dlc(item: Item, pictures: Pictures | None) -> list[JudgeQuestion]:
    """Ask for the object's class, then each multiple-choice question about the description."""
    kind = "image" if pictures else "text"
    crops = tuple(pictures.crops()[0]) if pictures else ()
    asked = []
    for number, question in enumerate(dlc_questions(item)):
        if number < len(item.extra[dlc_bench.RECOGNITION]):
            wording = _DLC_CLASS_IMAGE if pictures else _DLC_CLASS_TEXT
            about = wording.format(name=class_name(item))
        else:
            about = _DLC_OTHER
        text = _DLC.format(
            image="this image" if pictures else "an image",
            shown=_DLC_SHOWN if pictures else "",
            prediction=item.prediction,
            question=about,
            options=_lettered(option_texts(question)),
        )
        asked.append(JudgeQuestion(f"dlc_{kind}/1", (*crops, text)))
    return asked


def class_name(item: Item) -> str:
    """Give the class of a region of DLC-Bench: its reference, its ``class_name``, or a recorded question's.

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
    asked = [question.get("question") for question in item.extra[dlc_bench.RECOGNITION]]
    found = [_CLASS_ASKED.search(text) for text in asked if isinstance(text, str)]
    return found[0][1] if found and found[0] else None


def _lettered(options: Sequence[str]) -> str:
    return "\n".join(f"{chr(65 + number)}. {option}" for number, option in enumerate(options))


# ------------------------------------------------------------------ two answers, rated 1 to 10

_RATER = "You are a careful assistant who compares answers and is fair to both."
_RATE = (
    "Assistant 1 and Assistant 2 have answered the question above. Rate each answer as a whole from 1 to 10,"
    " higher being better, by {points}.\n"
    "The first line of your reply is the two ratings and nothing else: that of Assistant 1, a space, that of"
    " Assistant 2. From the second line on, explain your ratings; do not let the order of the answers count."
)
_FERRET_POINTS = (
    "whether it speaks of the right place, and how helpful, relevant, accurate and detailed it is"
)
_MDVP_POINTS = "how helpful, relevant, accurate and detailed it is"
_FERRET_CONTEXT = (
    "You cannot see the image; what is in it stands here: its objects with their boxes, relations between"
    " objects, descriptions of single boxes, and five captions of the whole. Boxes are x1, y1, x2, y2 in"
    " shares of the image's width and height."
)
_MDVP_CONTEXT = {
    "natural": "The picture is a photo.",
    "ocr_doc": "The picture is a document; the regions hold text.",
    "ocr_spotting": "The picture is a scene with writing in it; the regions hold text.",
    "multipanel": "The picture is made of several panels.",
    "android": "The picture is the screen of a phone.",
    "web": "The picture is a page of a web site.",
}
_MDVP_MARKED = (
    "The regions that the question is about are drawn as green boxes with numbers. Their boxes are x, y,"
    " width and height in shares of the picture's width and height."
)


def ferret(item: Item, pictures: Pictures | None) -> list[JudgeQuestion]:
    """Ask for ratings of the reference and the model's answer, from the image's written context."""
    context = item.extra.get("context")
    if not isinstance(context, str) or not context:
        raise DataError(
            f"ferret: question {item.id!r} has no written context, which stands in for the image."
            " Read it with ferret_gpt4_data/refer_desc/context.jsonl."
        )
    answers = without_boxes(item.prediction or "")
    text = _rating_text(
        f"{_FERRET_CONTEXT}\n{context}", item.question, item.reference, answers, _FERRET_POINTS
    )
    return [JudgeQuestion("ferret_refer_desc/1", (text,), system=_RATER, max_tokens=1024)]


def mdvp(item: Item, pictures: Pictures | None) -> list[JudgeQuestion]:
    """Ask for ratings of the reference and the model's answer, with the image and its regions drawn.

    Raises: DataError without pictures: this benchmark has no judge without them.
    """
    if pictures is None:
        raise DataError("mdvp: the judge needs the images; give their folder, and a judge that sees images.")
    boxes = "; ".join(f"Region {n}: {box}" for n, box in enumerate(pictures.boxes_text(), start=1))
    context = f"{_MDVP_CONTEXT[item.task]} {_MDVP_MARKED}\n{boxes}"
    text = _rating_text(context, item.question, item.reference, item.prediction or "", _MDVP_POINTS)
    return [JudgeQuestion("mdvp/1", (pictures.marked(), text), system=_RATER, max_tokens=1024)]


def _rating_text(context: str, question: str, first: str, second: str, points: str) -> str:
    blocks = {
        "Context": context,
        "Question": question,
        "Answer of Assistant 1": first,
        "Answer of Assistant 2": second,
        "Your task": _RATE.format(points=points),
    }
    return "\n\n".join(f"[{name}]\n{block}" for name, block in blocks.items())


def without_boxes(text: str) -> str:
    """Take bracketed spans that follow a space out of an answer, as the published script does."""
    return re.sub(r" \[[^\]]*\]", "", text)


# ------------------------------------------------------------------ VideoRefer-D

_VIDEO = (
    "A model described one object in a video. Compare its description with the correct one.\n"
    "Correct description: {reference}\n"
    "The model's description: {prediction}\n"
    "Rate four things, each with a whole number from 0 (worst) to 5 (best):\n"
    "1. Subject Correspondence: is the described object the one that the correct description is about?\n"
    "2. Appearance Description: do colour, shape, texture and the like agree?\n"
    "3. Temporal Description: does what the object does and how it moves agree, in its order?\n"
    "4. Hallucination Detection: is the description free of what is not in the correct one? Much invented"
    " is 0.\n"
    "Reply with four lines, each the number, the name, a colon and the rating, as in"
    " '1. Subject Correspondence: 4', with a short reason after the rating."
)


def video_refer_d(item: Item, pictures: Pictures | None) -> list[JudgeQuestion]:
    """Ask for ratings of a video description in four dimensions; the judge sees the texts alone."""
    text = _VIDEO.format(reference=item.reference, prediction=item.prediction)
    return [JudgeQuestion("videorefer_d/1", (text,), max_tokens=800)]


# ------------------------------------------------------------------ by benchmark

Builder = Callable[[Item, "Pictures | None"], list[JudgeQuestion]]
BUILDERS: Mapping[str, Builder] = {
    gar_bench.CAPTION.benchmark: gar_cap,
    dlc_bench.BENCHMARK: dlc,
    ferret_bench.REVIEW.benchmark: ferret,
    mdvp_bench.REVIEW.benchmark: mdvp,
    video_refer.D.benchmark: video_refer_d,
}
# Of these the judge sees pictures if it can see; the published judges of the others read texts alone.
WITH_PICTURES = (gar_bench.CAPTION.benchmark, dlc_bench.BENCHMARK, mdvp_bench.REVIEW.benchmark)


def questions(item: Item, pictures: Pictures | None = None) -> list[JudgeQuestion]:
    """Give the questions about an item's prediction, with pictures where some are given and it has them.

    Raises: ConfigError if the benchmark has no judge; DataError if the item lacks what is asked about.
    """
    builder = BUILDERS.get(item.benchmark)
    if builder is None:
        raise ConfigError(
            f"{item.benchmark} is scored without a judge. {did_you_mean(item.benchmark, BUILDERS)}"
        )
    return builder(item, pictures if item.benchmark in WITH_PICTURES else None)
