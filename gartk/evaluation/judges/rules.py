"""A judge without a model: rules over words. A baseline to compare judges with, not a substitute for one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gartk.errors import ConfigError, did_you_mean
from gartk.evaluation.judge_prompts import class_name
from gartk.evaluation.judges.base import JudgeReply, OnItem, is_asked, to_judge, with_judgements
from gartk.evaluation.judges.pictures import ImageFinder
from gartk.evaluation.scoring import dlc_bench, ferret_bench, gar_bench, mdvp_bench
from gartk.evaluation.scoring.items import Item
from gartk.evaluation.verdicts import dlc_questions, option_texts
from gartk.registry import JUDGES

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
_MENTIONED = re.compile(
    r"^The (.+?) (?:is|are) mentioned in the description and (?:is|are) (.+)$", re.IGNORECASE
)


@JUDGES.register()
class RulesJudge:
    """Verdicts by rule, the same every time and free of charge, from the words of the texts alone.

    What it does, and no more:
    - GAR-Bench-Cap, simple: True if the caption says the reference's words in the reference's order,
      fillers and word endings aside. It knows no synonyms: "on top of" is not "on".
    - GAR-Bench-Cap, detailed: True if the caption has the words of the subject, of the predicate and
      of the object. It cannot see whether the relation is between the two.
    - DLC-Bench: the object is recognised if a word of its class is in the caption. "X is mentioned" holds
      if the words of X are there; an attribute is right if one of its words is there, and never wrong.
    - Ferret-Bench, MDVP-Bench: the reference gets 10, the answer 1 to 10 by the share of common words.

    It looks at no image. VideoRefer-D's four dimensions cannot be told apart by words, so it refuses them.
    How far it agrees with recorded verdicts of GPT-4o stands in docs/judges.md.
    """

    name = "rules"

    def judge(
        self, items: Sequence[Item], *, find_image: ImageFinder | None = None, on_item: OnItem | None = None
    ) -> list[Item]:
        """Judge items by rule.

        Raises: ConfigError for a benchmark without rules or without a judge.
        """
        judged = []
        for item in to_judge(items):
            one = with_judgements(item, self.name, _replies(item)) if is_asked(item) else item
            judged.append(one)
            if on_item is not None and one is not item:
                on_item(one)
        return judged


def _replies(item: Item) -> list[JudgeReply]:
    rule = RULES.get(item.benchmark)
    if rule is None:
        raise ConfigError(
            f"The judge 'rules' has no rule for {item.benchmark}. {did_you_mean(item.benchmark, RULES)}"
        )
    return [JudgeReply(f"rules_{item.benchmark}/1", reply) for reply in rule(item)]


def words_of(text: str) -> list[str]:
    """Give the words of a text in order: lower case, without fillers and common endings."""
    return [_stem(word) for word in _WORDS.findall(text.lower()) if word not in _FILLERS]


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word


def _caption(item: Item) -> list[str]:
    said = words_of(item.prediction or "")
    if item.task == gar_bench.SIMPLE:
        return [str(bool(said) and said == words_of(item.reference))]
    wanted = [words_of(str(item.extra[key])) for key in ("subject_name", "predicate_name", "object_name")]
    return [str(all(set(words) <= set(said) for words in wanted))]


def _region(item: Item) -> list[str]:
    said = set(words_of(item.prediction or ""))
    number_of_first = len(item.extra[dlc_bench.RECOGNITION])
    replies = []
    for number, question in enumerate(dlc_questions(item)):
        texts = option_texts(question)
        if number < number_of_first:
            chosen = _option_with(
                question, "correct" if said & set(words_of(class_name(item))) else "incorrect"
            )
        else:
            chosen = _statement(texts, said)
        replies.append(f"{chr(65 + chosen)}. {texts[chosen]}")
    return replies


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


def _ratings(item: Item) -> list[str]:
    said, wanted = set(words_of(item.prediction or "")), set(words_of(item.reference))
    share = len(said & wanted) / len(said | wanted) if said | wanted else 0.0
    lowest, highest = int(ferret_bench.LOWEST), int(ferret_bench.HIGHEST)
    return [f"{highest} {lowest + round((highest - lowest) * share)}\nBy common words."]


RULES: Mapping[str, Callable[[Item], list[str]]] = {
    gar_bench.CAPTION.benchmark: _caption,
    dlc_bench.BENCHMARK: _region,
    ferret_bench.REVIEW.benchmark: _ratings,
    mdvp_bench.REVIEW.benchmark: _ratings,
}
