"""VideoRefer-Bench: D (descriptions of an object in a video, judged in four dimensions) and Q (choices).

Source: VideoRefer Suite, scripts of its release.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.evaluation.benchmarks.base import BENCHMARKS, Benchmark
from gartk.evaluation.benchmarks.judged_captions import JudgedCaptions
from gartk.evaluation.benchmarks.multiple_choice import (
    LETTER_FROM_CHOICES,
    VERDICTS,
    MultipleChoice,
    reference_letter,
    rotation_prefix,
)
from gartk.evaluation.item import JUDGE, Fields, Item, Layout, is_number, shown, to_item
from gartk.evaluation.judgements import JudgeQuestion, Reading, Verdict
from gartk.evaluation.rates import Mean

if TYPE_CHECKING:
    from gartk.evaluation.pictures import ImageFinder, Pictures

DESCRIBE_IN_VIDEO = "Please give a detailed description of the highlighted object [<Prompt0>] in the video."
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
_REGION_MARK = re.compile(r"\[?<region>\]?")
_NAMED_SCORE = re.compile(r"^(\d)\. ([A-Z][A-Za-z ]*): [0-5](?!\d)", re.MULTILINE)


class _VideoRefer(Benchmark):
    """What both have in common: the folder, and videos that are files or folders of frames."""

    folder = "videorefer_bench"
    source = "DAMO-NLP-SG/VideoRefer-Bench on the Hugging Face hub, videos from where its README says"

    def find_image(self, root: Path) -> ImageFinder:
        """Find an item's video: a file, or a folder of frames."""
        home = root / self.folder
        folders = (home, home / "videos", home / "Panda-70M-part", root)

        def find(item: Item) -> Path | None:
            paths = [folder / item.image for folder in folders] if item.image else []
            return next((path for path in paths if path.exists()), None)

        return find


@BENCHMARKS.register()
class VideoReferDBenchmark(_VideoRefer, JudgedCaptions):
    """VideoRefer-Bench-D: 400 descriptions that a judge rates in four dimensions, 0 to 5 each.

    published: a dimension's mean is over the items whose reply gives it, whatever number it gives.
    fixed: an item whose reply does not give all four from 0 to 5 is missing in all. No description or no
    reply is missing in both. Avg is None unless every dimension has a mean.
    """

    name = "videorefer-d"
    size = 400
    files = ("VideoRefer-Bench-D.json",)
    records = 'annotations + "pred" and "reply" (the judge\'s) or the four scores by name'
    layout = Layout(
        id="id",
        image="video",
        masks="annotation",
        reference="caption",
        prediction="pred",
        reply="reply",
        needed=("reference",),
    )
    rules = ("published", "fixed")
    headline = "fixed"
    recorded_verdicts = DIMENSIONS

    def read_record(self, fields: Fields) -> Item:
        """Read a record; recorded scores must be numbers."""
        for name in DIMENSIONS:
            value = fields.record.get(name)
            if value is not None and not is_number(value):
                fields.fail(name, f"must be a number, not {shown(value)}")
        return to_item(fields, self.layout, benchmark=self.name)

    def prompt(self, item: Item) -> str:
        """Ask for a description of the object."""
        return DESCRIBE_IN_VIDEO

    def score(self, item: Item) -> dict[str, float | None]:
        """Score the four dimensions and their mean, the item's own score."""
        values: dict[str, float | None] = {}
        for rule in self.rules:
            found = _dimensions(item, checked=rule == "fixed")
            whole = len(found) == len(DIMENSIONS)
            values[rule] = sum(found[name] for name in DIMENSIONS) / len(DIMENSIONS) if whole else None
            values |= {f"{rule}/{name}": found.get(name) for name in DIMENSIONS}
        return values

    def variants(self, items: Sequence[Item]) -> dict[str, Any]:
        """Average each dimension, and the four means."""
        variants: dict[str, Any] = {}
        for rule in self.rules:
            means = {n: Mean.of((i.scores[f"{rule}/{n}"] for i in items), digits=2) for n in DIMENSIONS}
            scored = min(mean.scored for mean in means.values())
            average = Mean.over([*means.values()], scored=scored, total=len(items), digits=2)
            variants[rule] = {**means, "Avg": average}
        return variants

    def judge_questions(self, item: Item, pictures: Pictures | None = None) -> list[JudgeQuestion]:
        """Ask for ratings in four dimensions; the judge sees the texts alone."""
        text = _VIDEO.format(reference=item.reference, prediction=item.prediction)
        return [JudgeQuestion("videorefer_d/1", (text,), max_tokens=800)]

    def read_reply(self, item: Item, number: int, reply: str) -> Reading:
        """Read the four ratings; strictly, all are numbered and named as asked."""
        scores = parse_dimensions(reply)
        whole = len(scores) == len(DIMENSIONS) and all(0 <= value <= HIGHEST for value in scores.values())
        if not whole:
            return Reading(None, None)
        asked = [(str(number), name) for number, name in enumerate(DIMENSIONS, start=1)]
        return Reading(scores if _NAMED_SCORE.findall(reply) == asked else None, scores)

    def verdict(self, item: Item, number: int, said: Any) -> Verdict:
        """Average the four ratings."""
        return float(sum(said.values()) / len(said))


@BENCHMARKS.register()
class VideoReferQBenchmark(_VideoRefer, MultipleChoice):
    """VideoRefer-Bench-Q: 1,000 questions with options in five types.

    published: VideoRefer's rule; a reply without a character is missing. strict and lenient as everywhere.
    """

    name = "videorefer-q"
    size = 1000
    files = ("VideoRefer-Bench-Q.json",)
    records = 'annotations + "pred": id, type, options, Answer'
    layout = Layout(
        id="id",
        task="type",
        image="video",
        masks="annotation",
        question="Question",
        reference="Answer",
        prediction="pred",
        needed=("task", "reference"),
    )
    rules = ("published", *VERDICTS)
    sub_tasks = TYPES

    def read_record(self, fields: Fields) -> Item:
        """Read a record; its answer must begin with a letter."""
        fields.texts("options")
        if reference_letter(fields.needed_text("Answer")) is None:
            fields.fail("Answer", f"must begin with a letter as (A), not {shown(fields.record['Answer'])}")
        return to_item(fields, self.layout, benchmark=self.name, id_prefix=rotation_prefix(fields))

    def prompt(self, item: Item) -> str:
        """Ask as the release does."""
        options = " ".join(item.extra["options"])
        return f"{name_regions(self.question(item))} {options}. {LETTER_FROM_CHOICES}"

    def score(self, item: Item) -> dict[str, float | None]:
        """Score the letter by VideoRefer's rule and by those of all multiple choice."""
        said = None if item.prediction is None else published_letter(item.prediction)
        published = None if said is None else float(said == reference_letter(item.reference))
        return {"published": published, **super().score(item)}


def name_regions(question: str) -> str:
    """Put ``[<Prompt0>]``, ``[<Prompt1>]``... where a question of VideoRefer-Q marks its regions."""
    parts = _REGION_MARK.split(question)
    marks = [f"[<Prompt{number}>]" for number in range(len(parts) - 1)] + [""]
    return "".join(part + mark for part, mark in zip(parts, marks, strict=True))


def parse_dimensions(reply: str) -> dict[str, int]:
    """Return the scores of a numbered list "1. Subject Correspondence: 4", by dimension; the last one counts.

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


def published_letter(reply: str) -> str | None:
    """Return the letter by VideoRefer's rule: the first "(X)", else the first "X)", else the first character.

    Dots are left out before the last step. None for a reply without any character, on which the script fails.
    """
    for pattern in (r"\(([A-Za-z])\)", r"([A-Za-z])\)"):
        found = re.search(pattern, reply)
        if found:
            return found[1].upper()
    rest = reply.replace(".", "").strip()
    return rest[0].upper() if rest else None


# ------------------------------------------------------------------ what the judge of D is asked

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
