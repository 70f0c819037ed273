"""Scoring what a model said about RegionWorld by rule, from the meta of a question alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gartk.data.world.attributes import ARROW, VALUES
from gartk.data.world.relations import INVERSE, RELATIONS
from gartk.errors import DataError

_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"[a-z]+")
_PROMPT = re.compile(r"<Prompt(\d+)>")
_STATED = re.compile(
    r"<prompt(\d+)>(?: is)? (" + "|".join(sorted(RELATIONS, key=len, reverse=True)) + r") <prompt(\d+)>"
)
_DESCRIBED = re.compile(r"<prompt(\d+)> is an? ([^.,]*)")

Stated = tuple[int, str, int]


def normalise(text: str) -> str:
    """Lower case, single spaces, no full stop at the end."""
    return _SPACES.sub(" ", text).strip().rstrip(".").strip().lower()


def exact_letter(prediction: str, meta: Mapping[str, Any]) -> float:
    """GAR-Bench's rule: the whole reply is the letter, whatever its case."""
    return float(prediction.lower() == str(meta["answer"]).lower())


def final_answer(prediction: str, meta: Mapping[str, Any]) -> str:
    """The part of a reply that is its answer: the last line of a reasoned choice, else all of it."""
    return prediction.rpartition("\n")[2] if meta.get("answer_form") == "reasoned" else prediction


def option_text(meta: Mapping[str, Any]) -> str:
    """The right option's text, without its letter."""
    letter = f"{str(meta['answer']).lower()}. "
    return next(choice for choice in meta["choices"] if choice.lower().startswith(letter))[len(letter) :]


def lenient_letter(prediction: str, meta: Mapping[str, Any]) -> float:
    """Also take "B.", "(B)", "B. red" and the option's own text."""
    said = normalise(prediction)
    letter = str(meta["answer"]).lower()
    option = normalise(option_text(meta))
    match = re.match(r"\(?([a-z])\)?(?:[.:)]|$)", said)
    return float(said in (option, f"{letter}. {option}") or (match is not None and match[1] == letter))


def stated_relations(text: str) -> list[Stated]:
    """All relations that a text states between prompts, in order."""
    return [(int(a), relation, int(b)) for a, relation, b in _STATED.findall(normalise(text))]


def _holds(stated: list[Stated], fact: Stated) -> bool:
    a, relation, b = fact
    return (a, relation, b) in stated or (b, INVERSE[relation], a) in stated


def relation_scores(prediction: str, meta: Mapping[str, Any]) -> dict[str, float]:
    """Whether each asked fact, or the same fact from the other side, is stated, and nothing false is.

    ``relation`` is the share of the asked facts that are stated, 0 where a relation stated about the
    asked pair is not true. ``relation_true`` also accepts any other true relation of the first pair.
    """
    facts: list[Stated] = [(f[0], f[1], f[2]) for f in meta["facts"]["relations"]]
    stated = stated_relations(prediction)
    a, _, b = facts[0]
    true = [(a, relation, b) for relation in meta["facts"]["also_true"]]
    about = [s for s in stated if {s[0], s[2]} == {a, b}]
    wrong = any(not _holds([s], fact) for s in about for fact in [_closest(s, [facts[0], *true])])
    share = sum(_holds(stated, fact) for fact in facts) / len(facts)
    return {
        "relation": 0.0 if wrong else share,
        "relation_true": float(not wrong and any(_holds(stated, fact) for fact in [facts[0], *true])),
    }


def _closest(stated: Stated, facts: list[Stated]) -> Stated:
    """The fact that a statement expresses, or the first fact when it expresses none."""
    return next((fact for fact in facts if _holds([stated], fact)), facts[0])


def attribute_scores(prediction: str, meta: Mapping[str, Any]) -> dict[str, float]:
    """For each attribute of the described prompt whether its word, and no other of its kind, is said."""
    described = meta["facts"].get("described", _first_prompt(meta))
    facts = meta["facts"]["prompts"][str(described)]
    words = set(_words_about(prediction, described))
    scores: dict[str, float] = {}
    for attribute, values in VALUES.items():
        said = {value for value in (*values, *((ARROW,) if attribute == "shape" else ())) if value in words}
        scores[attribute] = float(said == {facts[attribute]})
    return {**scores, "attributes": sum(scores.values()) / len(scores)}


def _first_prompt(meta: Mapping[str, Any]) -> int:
    return int(next(iter(meta["facts"]["prompts"])))


def _words_about(prediction: str, number: int) -> list[str]:
    """The words of "<PromptN> is a ..."; without such a sentence, those of a text that names no prompt."""
    text = normalise(prediction)
    for said, phrase in _DESCRIBED.findall(text):
        if int(said) == number:
            return _WORD.findall(phrase)
    return [] if _PROMPT.search(prediction) else _WORD.findall(text)


def score(prediction: str, meta: Mapping[str, Any]) -> dict[str, float]:
    """Score a reply; ``correct`` (0 or 1) is there for every kind, the rest depends on it.

    choice: ``correct`` by GAR-Bench's exact rule (or, where the text of an option was asked for, if
    the reply, or the last line of a reasoned one, is that text) and ``lenient``. open: equality after
    normalising.
    caption: ``attributes`` (recall, and each one) where one object is described, ``relation`` and
    ``relation_true`` where relations are asked for; ``correct`` is 1 when all of these are 1
    (``relation_true`` aside).

    Raises: DataError if the meta is not of a RegionWorld question.
    """
    kind = meta.get("kind")
    if kind == "choice":
        prediction = final_answer(prediction, meta)
        if meta.get("answer_form") in ("text", "reasoned"):
            correct = float(normalise(prediction) == normalise(option_text(meta)))
        else:
            correct = exact_letter(prediction, meta)
        return {"correct": correct, "lenient": lenient_letter(prediction, meta)}
    if kind == "open":
        return {"correct": float(normalise(prediction) == normalise(str(meta["answer"])))}
    if kind != "caption":
        raise DataError(
            f"this is not the meta of a RegionWorld question: its kind is {kind!r},"
            " not choice, open or caption."
        )
    scores: dict[str, float] = {}
    if meta["task"] in ("caption", "caption_detailed"):
        scores.update(attribute_scores(prediction, meta))
    if "relations" in meta["facts"]:
        scores.update(relation_scores(prediction, meta))
    needed = [value for name, value in scores.items() if name in ("attributes", "relation")]
    return {"correct": float(min(needed) == 1.0), **scores}
