"""Benchmarks of the image as a whole, without regions: V*, MMVP, RealWorldQA and MMStar."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from gartk.evaluation.benchmarks.base import BENCHMARKS
from gartk.evaluation.benchmarks.multiple_choice import (
    LETTER_FROM_CHOICES,
    OPTION_KEYS,
    MultipleChoice,
    all_right,
    lettered_question,
    options_of,
    rotation_prefix,
)
from gartk.evaluation.benchmarks.rows import IMAGE, read_rows
from gartk.evaluation.item import Fields, Item, Layout, check_unique, to_item
from gartk.evaluation.rates import Mean, Rate
from gartk.io import cache_dir


class _Vision(MultipleChoice):
    """What all have in common: a data set of the hub's layouts, options, few tokens."""

    records = (
        'the data set\'s records + "model_output"; for circular options also "circular_id" and "rotation"'
    )

    @property
    def _stored_images(self) -> Path:
        """Where the images that lie inside a table are written to."""
        return cache_dir() / "benchmark_images" / self.name

    def load(self, root: Path) -> list[Item]:
        """Read the rows."""
        rows = read_rows(
            root / self.folder, tables=self.files, source=self.source, images=self._stored_images
        )
        items = check_unique(self.read_record(self.as_record(row)) for row in rows)
        return [self.with_prompt(item) for item in items]

    def as_record(self, row: Fields) -> Fields:
        """Return a row in the layout that recorded outputs have."""
        return row

    def read_record(self, fields: Fields) -> Item:
        """Read a row; options stand in ``choices``, ``options`` or ``Options``, or in the question."""
        fields.needed_text(self.layout.reference)
        for key in OPTION_KEYS:
            value = fields.record.get(key)
            if isinstance(value, list):
                fields.texts(key)
            elif value is not None and not isinstance(value, str | dict):
                fields.fail(key, "must be a list, a mapping or a text")
        return to_item(fields, self.layout, benchmark=self.name, id_prefix=rotation_prefix(fields))

    def image_folders(self, root: Path) -> Sequence[Path]:
        """Where tables say, or where images from inside a table were written to."""
        return (*super().image_folders(root), self._stored_images)

    def prompt(self, item: Item) -> str:
        """Ask with the options on lines of their own, whichever way they were written."""
        question = lettered_question(self.question(item), list(options_of(item).values()))
        return f"{question}\n{LETTER_FROM_CHOICES}"


@BENCHMARKS.register()
class VStarBenchmark(_Vision):
    """V*: 191 questions about small things in large images, in two categories."""

    name = "vstar"
    size = 191
    folder = "vstar"
    source = "craigwu/vstar_bench or lmms-lab/vstar-bench on the Hugging Face hub"
    files = ("test_questions.jsonl",)
    layout = Layout("question_id", "category", "image", "", "text", "label", "model_output")


@BENCHMARKS.register()
class MMVPBenchmark(_Vision):
    """MMVP: 300 images in 150 pairs that look alike to CLIP.

    The answers are those of the file. Those of the pairs 99/100 and 279/280 are held to be swapped in the
    first published one; some copies of it have them corrected.
    """

    name = "mmvp"
    size = 300
    folder = "mmvp"
    source = "MMVP/MMVP on the Hugging Face hub (Questions.csv and 'MMVP Images')"
    files = ("Questions.csv",)
    layout = Layout("Index", "", "image", "", "Question", "Correct Answer", "model_output")

    def as_record(self, row: Fields) -> Fields:
        """Name the image of a row that names none, as Questions.csv leaves it to its index."""
        return Fields({IMAGE: f"MMVP Images/{row.label('Index')}.jpg", **row.record}, row.where)

    def read_record(self, fields: Fields) -> Item:
        """Read a row, whose index says to which pair it belongs."""
        if not re.fullmatch("[1-9][0-9]{0,8}", fields.label("Index")):
            fields.fail("Index", "must be a whole number from 1")
        return super().read_record(fields)

    def further_scores(self, items: Sequence[Item], rule: str, places: Sequence[int]) -> dict[str, Any]:
        """Count the pairs of which both images are right."""
        pairs: dict[int, list[int]] = defaultdict(list)
        for place in places:
            pairs[_pair(items[place])].append(place)
        verdicts = [[items[place].scores[rule] for place in pair] for pair in pairs.values()]
        whole = [all_right([*pair, *[None] * (2 - len(pair))]) for pair in verdicts]
        return {"pairs": Rate.of(whole, [pair[0] for pair in pairs.values()])}

    def resampling_unit(self, item: Item) -> Hashable | None:
        """Keep a pair together."""
        return ("pair", _pair(item))


def _pair(item: Item) -> int:
    return (int(str(item.extra["Index"])) - 1) // 2


@BENCHMARKS.register()
class RealWorldQABenchmark(_Vision):
    """RealWorldQA: 765 questions about everyday scenes, with options or short answers."""

    name = "realworldqa"
    size = 765
    folder = "realworldqa"
    source = "xai-org/RealworldQA on the Hugging Face hub"
    layout = Layout("", "", "image", "", "question", "answer", "model_output")

    def prompt(self, item: Item) -> str:
        """Ask as published: the questions say how to answer."""
        return self.question(item)


@BENCHMARKS.register()
class MMStarBenchmark(_Vision):
    """MMStar: 1,500 questions in six categories of 250."""

    name = "mmstar"
    size = 1500
    folder = "mmstar"
    source = "Lin-Chen/MMStar on the Hugging Face hub"
    layout = Layout("index", "category", "image", "", "question", "answer", "model_output")

    def prompt(self, item: Item) -> str:
        """Ask with the options as they stand in the question."""
        return f"{self.question(item)}\n{LETTER_FROM_CHOICES.rstrip('.')}"

    def further_scores(self, items: Sequence[Item], rule: str, places: Sequence[int]) -> dict[str, Any]:
        """Average the categories' shares, and those of the finer ones (``l2_category``)."""
        fine = {place: str(items[place].extra.get("l2_category", "")) for place in places}
        return {
            "macro_category": _macro({place: items[place].task for place in places}, items, rule),
            "macro_l2_category": _macro(fine, items, rule),
        }


def _macro(groups: dict[int, str], items: Sequence[Item], rule: str) -> Mean:
    """The mean of the groups' percentages; a missing item is no hit in its group, as in ``Rate``."""
    members: dict[str, list[int]] = defaultdict(list)
    for place, group in groups.items():
        members[group].append(place)
    rates = [Rate.of([items[p].scores[rule] for p in group], group) for group in members.values()]
    return Mean.over(rates, whole=False)
