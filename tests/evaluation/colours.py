"""A benchmark as a plugin would bring it: colours told in words, judged by yes or no."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gartk.evaluation.benchmarks.base import Benchmark
from gartk.evaluation.item import JUDGE, Item, Layout
from gartk.evaluation.judgements import JudgeQuestion, Reading
from gartk.evaluation.pictures import Pictures
from gartk.registry import BENCHMARKS
from gartk.testing.benchmark_files import draw_image, rle, write_json

KEY = "acme.ColoursBenchmark"


class ColoursBenchmark(Benchmark):
    """Names of colours: right if the word is said, and by a judge if it agrees."""

    name = "acme-colours"
    size = 4
    folder = "colours"
    source = "acme"
    files = ("colours.json",)
    layout = Layout("id", "kind", "image", "masks", "question", "colour", "said", "verdict")
    rules = ("word", "judged")
    headline = "judged"
    is_judged = True
    judge_sees_pictures = True
    max_new_tokens = 4

    def prompt(self, item: Item) -> str:
        """Ask for one word."""
        return f"{self.question(item)} One word."

    def score(self, item: Item) -> dict[str, float | None]:
        """Compare words, and read the verdict."""
        reply = item.replies.get(JUDGE)
        if item.prediction is None:
            return {"word": None, "judged": None}
        judged = float(reply == "yes") if isinstance(reply, str) else None
        return {"word": float(item.reference in item.prediction.split()), "judged": judged}

    def judge_questions(self, item: Item, pictures: Pictures | None = None) -> list[JudgeQuestion]:
        """Ask whether the colour is right."""
        seen = () if pictures is None else (pictures.whole(),)
        return [JudgeQuestion("colours/1", (*seen, f"Is {item.prediction} the same as {item.reference}?"))]

    def read_reply(self, item: Item, number: int, reply: str) -> Reading:
        """Read yes or no."""
        said = reply if reply in ("yes", "no") else None
        return Reading(said, said)

    def judge_by_rules(self, item: Item) -> list[str]:
        """Go by the word."""
        return ["yes" if item.reference == item.prediction else "no"]


@contextmanager
def registered() -> Iterator[type[ColoursBenchmark]]:
    """Register the benchmark for as long as the block lasts."""
    BENCHMARKS.register(ColoursBenchmark, name=KEY)
    try:
        yield ColoursBenchmark
    finally:
        BENCHMARKS.unregister(KEY)


def write_colours(root: Path, said: Sequence[str | None] = (None,) * 4, **more: Any) -> Path:
    """Write four records with their images, and what was said to each; return the file."""
    (root / "colours").mkdir(parents=True, exist_ok=True)
    records = []
    for number, (colour, answer) in enumerate(zip(("red", "green", "blue", "red"), said, strict=True)):
        draw_image(root / "colours" / f"{number}.png", [])
        record = {"id": str(number), "kind": "dark" if number % 2 else "light", "image": f"{number}.png",
                  "masks": [rle((1, 1, 9, 9))], "question": "Which colour?", "colour": colour}  # fmt: skip
        records.append(record | ({} if answer is None else {"said": answer}) | more)
    return write_json(root / "colours" / "colours.json", records)
