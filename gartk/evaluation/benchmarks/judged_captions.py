"""Judged captions: what benchmarks share whose answers a judge checks or rates against a reference.

What judges are asked are sentences of ours; what they ask for is what the published instructions ask for.

Source: the judge scripts of Grasp Any Region, Ferret and Draw-and-Understand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from gartk.evaluation.benchmarks.base import Benchmark
from gartk.evaluation.item import JUDGE, Fields, Item, is_number, shown
from gartk.evaluation.judgements import JudgeQuestion, Reading, Verdict
from gartk.evaluation.rates import Mean

DESCRIBE_REGION = "Describe this masked region in detail."


class JudgedCaptions(Benchmark):
    """A benchmark whose captions a judge is asked about."""

    is_judged = True
    is_binary = False

    def prompt(self, item: Item) -> str:
        """Ask for a description of the region."""
        return DESCRIBE_REGION


# ------------------------------------------------------------------ two answers, rated 1 to 10

Pair = tuple[float, float]
FAILED: Pair = (-1.0, -1.0)
LOWEST, HIGHEST = 1.0, 10.0
_RATER = "You are a careful assistant who compares answers and is fair to both."
_RATE = (
    "Assistant 1 and Assistant 2 have answered the question above. Rate each answer as a whole from 1 to 10,"
    " higher being better, by {points}.\n"
    "The first line of your reply is the two ratings and nothing else: that of Assistant 1, a space, that of"
    " Assistant 2. From the second line on, explain your ratings; do not let the order of the answers count."
)


class RatedCaptions(JudgedCaptions):
    """A judge rates the reference (Assistant 1) and the model's answer (Assistant 2) 1 to 10.

    published: a reply without two numbers counts as -1 for both, and is averaged. fixed: it is
    missing, and so are scores that are not from 1 to 10. No answer or no review is missing in both.
    An item's own score is the model's rating.
    """

    rules: Sequence[str] = ("published", "fixed")
    recorded_verdicts: Sequence[str] = ("tuple", "score")

    def score(self, item: Item) -> dict[str, float | None]:
        """Take the model's rating, and the reference's beside it."""
        values: dict[str, float | None] = {}
        for name, rule in RATING_RULES.items():
            pair = rule(item)
            values[name], values[f"{name}/reference"] = (None, None) if pair is None else (pair[1], pair[0])
        return values

    def rating_question(
        self,
        item: Item,
        *,
        prompt: str,
        context: str,
        points: str,
        prediction: str,
        parts: Sequence[Any] = (),
    ) -> JudgeQuestion:
        """Ask for the ratings of the reference and of the model's answer."""
        blocks = {
            "Context": context,
            "Question": item.question,
            "Answer of Assistant 1": item.reference,
            "Answer of Assistant 2": prediction,
            "Your task": _RATE.format(points=points),
        }
        text = "\n\n".join(f"[{name}]\n{block}" for name, block in blocks.items())
        return JudgeQuestion(prompt, (*parts, text), system=_RATER, max_tokens=1024)

    def read_reply(self, item: Item, number: int, reply: str) -> Reading:
        """Read the two ratings; strictly, they are whole and alone on the first line."""
        pair = parse_scores(reply)
        if pair is None or not _in_range(pair):
            return Reading(None, None)
        alone = len(reply.split("\n")[0].split()) == 2 and all(value == int(value) for value in pair)
        return Reading(list(pair) if alone else None, list(pair))

    def verdict(self, item: Item, number: int, said: Any) -> Verdict:
        """Take the model's rating."""
        return float(said[1])

    def judge_by_rules(self, item: Item) -> list[str]:
        """Rate the reference 10, and the answer 1 to 10 by the share of common words."""
        said, wanted = set(words_of(item.prediction or "")), set(words_of(item.reference))
        share = len(said & wanted) / len(said | wanted) if said | wanted else 0.0
        rating = int(LOWEST) + round((int(HIGHEST) - int(LOWEST)) * share)
        return [f"{int(HIGHEST)} {rating}\nBy common words."]


def check_scores(fields: Fields) -> None:
    """Check the recorded pair of scores, where there is one.

    Raises: DataError if it is not two numbers.
    """
    pair = fields.record.get("tuple")
    if pair is not None and not (isinstance(pair, list) and len(pair) == 2 and all(map(is_number, pair))):
        fields.fail("tuple", f"must be two numbers, not {shown(pair)}")


def parse_scores(reply: str) -> Pair | None:
    """Return the two scores on the first line of a reply, reference first; None if they cannot be read.

    Commas count as spaces; what follows the two numbers on the line is not looked at.
    """
    words = reply.split("\n")[0].replace(",", " ").strip().split(" ")
    try:
        first, second = float(words[0]), float(words[1])
    except (ValueError, IndexError):
        return None
    return (first, second) if is_number(first) and is_number(second) else None


def published_scores(item: Item) -> Pair | None:
    """Return an item's scores as the release does: (-1, -1) for a reply that cannot be read.

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
    """Return an item's scores; None also if they cannot be read or are not from 1 to 10."""
    scores = published_scores(item)
    return scores if scores and _in_range(scores) else None


RATING_RULES: dict[str, Callable[[Item], Pair | None]] = {
    "published": published_scores,
    "fixed": fixed_scores,
}


def _in_range(pair: Pair) -> bool:
    return all(LOWEST <= value <= HIGHEST for value in pair)


def mean_ratings(
    items: Sequence[Item], rule: str, places: Sequence[int], *, digits: int
) -> tuple[Mean, Mean]:
    """Return the mean of the model's and of the reference's ratings over some of the items."""
    model = [items[place].scores.get(rule) for place in places]
    reference = [items[place].scores.get(f"{rule}/reference") for place in places]
    return Mean.of(model, places, digits=digits), Mean.of(reference, places, digits=digits)


# ------------------------------------------------------------------ words, for the judge without a model

# Words that carry no content of their own here.
_FILLERS = frozenset(
    [
        "a",
        "an",
        "the",
        "is",
        "are",
        "be",
        "being",
        "of",
        "to",
        "in",
        "with",
        "and",
        "or",
        "its",
        "it",
        "that",
        "this",
        "there",
        "at",
        "by",
        "as",
    ]
)
_WORDS = re.compile(r"<?[a-z0-9]+>?")


def words_of(text: str) -> list[str]:
    """Return the words of a text in order: lower case, without fillers and common endings."""
    return [_stem(word) for word in _WORDS.findall(text.lower()) if word not in _FILLERS]


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word
