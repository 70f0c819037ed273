"""What a judge's reply says: read strictly, and read tolerantly as the scorers do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gartk.evaluation.scoring import dlc_bench, ferret_bench, gar_bench, mdvp_bench, video_refer
from gartk.evaluation.scoring.items import JUDGE, Item

# A label (str), a rating (float), or None for a reply that cannot be read.
Verdict = str | float | None

_NAMED_SCORE = re.compile(r"^(\d)\. ([A-Z][A-Za-z ]*): [0-5](?!\d)", re.MULTILINE)


@dataclass(frozen=True)
class Reading:
    """What one reply says. ``strict``: the form asked for and no other; ``tolerant``: as the scorers read it.

    GAR-Bench-Cap: "True" or "False". DLC-Bench: the number of the option. Ferret-Bench and MDVP-Bench: the
    ratings of the reference and the model. VideoRefer-D: the rating of each dimension. None: unreadable.
    """

    strict: Any
    tolerant: Any

    def to_json(self) -> dict[str, Any]:
        """Give both readings as JSON values."""
        return {"strict": self.strict, "tolerant": self.tolerant}


def read_reply(item: Item, number: int, reply: str) -> Reading:
    """Read the reply to an item's question ``number``."""
    if item.benchmark == gar_bench.CAPTION.benchmark:
        return _read_caption(reply)
    if item.benchmark == dlc_bench.BENCHMARK:
        return _read_choice(option_texts(dlc_questions(item)[number]), reply)
    if item.benchmark == video_refer.D.benchmark:
        return _read_dimensions(reply)
    return _read_ratings(reply)


def dlc_questions(item: Item) -> list[Mapping[str, Any]]:
    """Give the questions about a region of DLC-Bench in the order of its replies."""
    return [question for part in dlc_bench.PARTS for question in item.extra[part]]


def option_texts(question: Mapping[str, Any]) -> list[str]:
    """Give the texts of a question's options."""
    return [choice[0] for choice in question["choices"]]


def replies_of(item: Item, judge: str = JUDGE) -> list[str | None]:
    """Give the replies of a judge to an item's questions; [] where it has none."""
    given = item.replies.get(judge, [])
    return [given] if isinstance(given, str) else list(given)


def verdicts_of(item: Item, judge: str = JUDGE) -> dict[int, Verdict]:
    """Give a judge's verdicts about an item by question, read tolerantly, None where there is none.

    A label is "True" or "False", or the points of the option chosen in DLC-Bench; a rating is the model's,
    or the mean of the four dimensions.
    """
    found: dict[int, Verdict] = {}
    for number, reply in enumerate(replies_of(item, judge)):
        said = None if reply is None else read_reply(item, number, reply).tolerant
        found[number] = None if said is None else _verdict(item, number, said)
    return found


def _verdict(item: Item, number: int, said: Any) -> Verdict:
    if item.benchmark == dlc_bench.BENCHMARK:
        points = dlc_questions(item)[number]["choices"][said][1]
        return points if isinstance(points, str) else f"{points:g}"
    if isinstance(said, Mapping):
        return sum(said.values()) / len(said)
    return said if isinstance(said, str) else float(said[1])


def _read_caption(reply: str) -> Reading:
    tolerant = gar_bench.tolerant_verdict(reply)
    return Reading(reply if reply in ("True", "False") else None, None if tolerant is None else str(tolerant))


def _read_choice(texts: Sequence[str], reply: str) -> Reading:
    said = reply.strip()
    forms = [(f"{letter}. {text}", letter) for letter, text in zip("ABCDE", texts, strict=False)]
    exact = [number for number, pair in enumerate(forms) if said in pair]
    return Reading(exact[0] if exact else None, dlc_bench.parse_choice(reply, texts))


def _read_ratings(reply: str) -> Reading:
    pair = ferret_bench.parse_scores(reply)
    if pair is None or not all(ferret_bench.LOWEST <= value <= ferret_bench.HIGHEST for value in pair):
        return Reading(None, None)
    alone = len(reply.split("\n")[0].split()) == 2 and all(value == int(value) for value in pair)
    return Reading(list(pair) if alone else None, list(pair))


def _read_dimensions(reply: str) -> Reading:
    scores = video_refer.parse_dimensions(reply)
    whole = len(scores) == len(video_refer.DIMENSIONS) and all(
        0 <= value <= video_refer.HIGHEST for value in scores.values()
    )
    if not whole:
        return Reading(None, None)
    named = _NAMED_SCORE.findall(reply)
    asked = [(str(number), name) for number, name in enumerate(video_refer.DIMENSIONS, start=1)]
    return Reading(scores if named == asked else None, scores)


def is_judged(benchmark: str) -> bool:
    """Whether a benchmark is scored by a judge."""
    names = (gar_bench.CAPTION.benchmark, dlc_bench.BENCHMARK, ferret_bench.REVIEW.benchmark)
    return benchmark in (*names, mdvp_bench.REVIEW.benchmark, video_refer.D.benchmark)
