"""Two benchmarks: the colour of a region by the word that is said, and by a judge."""

from __future__ import annotations

from dataclasses import replace

from gartk.evaluation.benchmarks.base import Benchmark
from gartk.evaluation.item import Item, Layout
from gartk.evaluation.judgements import JudgeQuestion, Reading, replies_of
from gartk.evaluation.pictures import Pictures


class ColourBenchmark(Benchmark):
    """Colours of regions; right where the word is said."""

    name = "acme-words"
    folder = "acme_colours"
    source = "the tests of gartk-acme, which draw it"
    files = ("colours.json",)
    layout = Layout(
        id="id", task="kind", image="image", masks="masks", reference="colour", prediction="answer"
    )

    def prompt(self, item: Item) -> str:
        """Return what a model is asked."""
        return "What colour is <Prompt0>?"

    def score(self, item: Item) -> dict[str, float | None]:
        """Return 1 where the colour is among the words of the answer, None where there is no answer."""
        if item.prediction is None:
            return {"correct": None}
        return {"correct": float(item.reference in item.prediction.lower().split())}


class JudgedColourBenchmark(ColourBenchmark):
    """The same answers, right where a judge agrees."""

    name = "acme-colours"
    is_judged = True
    layout = replace(ColourBenchmark.layout, reply="verdict")

    def judge_questions(self, item: Item, pictures: Pictures | None = None) -> list[JudgeQuestion]:
        """Return the one question about an answer; texts are enough for it."""
        text = f"Right: {item.reference}\nSaid: {item.prediction}\nDo they agree? Answer yes or no."
        return [JudgeQuestion("acme_colours/1", (text,), max_tokens=4)]

    def read_reply(self, item: Item, number: int, reply: str) -> Reading:
        """Read yes or no; "Yes." counts by the tolerant reading."""
        said = reply.strip().rstrip(".").lower()
        return Reading(*(word if word in ("yes", "no") else None for word in (reply, said)))

    def score(self, item: Item) -> dict[str, float | None]:
        """Return 1 where the judge agrees, 0 where not, and None where answer or verdict is missing."""
        (reply,) = replies_of(item) or [None]
        if item.prediction is None or reply is None:
            return {"correct": None}
        verdict = self.read_reply(item, 0, reply).tolerant
        return {"correct": None if verdict is None else float(verdict == "yes")}
