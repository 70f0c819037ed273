"""What every task has in common: the plan of a question, its worded form, options and blind chance.

A question is made in two steps, so that several of them can share one set of prompt numbers: ``plan``
chooses the objects and the fact, ``word`` writes the text once every object has its number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from gartk.data.world.attributes import Look
from gartk.data.world.scene import Scene

LETTERS = "ABCD"
MAX_OPTIONS = len(LETTERS)
ChoiceAnswer = Literal["letter", "text", "reasoned"]
CHOICE_SUFFIX: dict[ChoiceAnswer, str] = {
    "letter": "Answer with the correct option's letter directly.",
    "text": "Answer with the correct option's text directly.",
    "reasoned": "Check the options in order, then answer with the correct option's text.",
}


@dataclass(frozen=True)
class Plan:
    """A question before it is worded.

    ``objects`` are all objects that the text will name, the one asked about first; ``data`` is what
    the task needs to word it; ``target`` is the object that is the answer, where it is one.
    """

    task: str
    objects: tuple[int, ...]
    data: Mapping[str, Any] = field(default_factory=dict)
    target: int | None = None


@dataclass(frozen=True)
class Wording:
    """What a plan is worded with.

    ``numbers`` maps an object to its prompt number; ``regions`` are all prompted objects in that
    order; ``slot`` fixes the letter of the answer (its remainder), None draws it; ``choice_answer`` is
    what a choice is answered with.
    """

    scene: Scene
    numbers: Mapping[int, int]
    regions: Sequence[int]
    rng: np.random.Generator
    slot: int | None = None
    choice_answer: ChoiceAnswer = "letter"

    def name(self, obj: int) -> str:
        """The prompt of an object as it stands in text."""
        return prompt(self.numbers[obj])


@dataclass(frozen=True)
class Question:
    """One worded question with its answer; ``meta`` is what scoring and reports need."""

    text: str
    answer: str
    meta: dict[str, Any]


def prompt(number: int) -> str:
    """The text of a prompt number."""
    return f"<Prompt{number}>"


def pool(scene: Scene, allowed: Sequence[int] | None) -> list[int]:
    """The objects a plan may use."""
    return scene.promptable if allowed is None else [i for i in scene.promptable if i in allowed]


def draw(rng: np.random.Generator, items: Sequence[Any]) -> Any:
    """Draw one item."""
    return items[int(rng.integers(len(items)))]


def shuffled(rng: np.random.Generator, items: Sequence[Any]) -> list[Any]:
    """The items in random order."""
    return [items[i] for i in rng.permutation(len(items)).tolist()]


def object_facts(word: Wording, objects: Sequence[int]) -> dict[str, dict[str, Any]]:
    """What is true of each named prompt, by its number as a string."""
    facts: dict[str, dict[str, Any]] = {}
    for i in sorted(objects, key=lambda obj: word.numbers[obj]):
        obj = word.scene.objects[i]
        entry: dict[str, Any] = {"role": obj.role, "object": i}
        if obj.look is not None and obj.role != "shadow":
            entry.update(look_facts(obj.look))
        if obj.cell is not None:
            entry["position"] = list(obj.cell)
        facts[str(word.numbers[i])] = entry
    return facts


def look_facts(look: Look) -> dict[str, str]:
    """The four attributes by name."""
    return {"color": look.color, "shape": look.shape, "texture": look.texture, "material": look.material}


def most_common_share(values: Sequence[Any]) -> float:
    """How often the commonest value occurs: the best guess without knowing which."""
    return max(values.count(value) for value in values) / len(values)


def finish(word: Wording, plan: Plan, text: str, answer: str, *, kind: str, blind_chance: float,
           options: Sequence[str] = (), facts: Mapping[str, Any] | None = None,
           reasons: Sequence[str] = ()) -> Question:  # fmt: skip
    """Put the worded question and its meta together.

    With options, ``answer`` is the right option's text, whose letter stands in the meta, and the text
    gets GAR-Bench's form. Options are taken in the order given. ``reasons`` says for each option how
    things are: a reasoned answer goes through them as far as the right option, in a line before its text;
    without reasons it is the text alone.
    """
    choices = [f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)]
    expected = answer
    form: ChoiceAnswer = "text" if word.choice_answer == "reasoned" and not reasons else word.choice_answer
    if choices:
        expected = LETTERS[list(options).index(answer)]
        if form == "letter":
            answer = expected
        elif form == "reasoned":
            checked = zip(LETTERS, reasons[: LETTERS.index(expected) + 1], strict=False)
            answer = ", ".join(f"{letter}. {reason}" for letter, reason in checked) + f"\n{answer}"
        text = "\n".join([f"Question: {text}", "Options:", *choices, CHOICE_SUFFIX[form]])
    meta = {
        "task": plan.task,
        "kind": kind,
        "choices": choices,
        "answer": expected,
        "answer_form": form,
        "chance": 1 / len(choices) if choices else 0.0,
        "blind_chance": blind_chance,
        "needs_identity": blind_chance < 1.0,
        "held_out": any(word.scene.objects[i].is_held_out for i in plan.objects[:2]),
        "facts": {"prompts": object_facts(word, plan.objects), **(facts or {})},
    }
    return Question(text=text, answer=answer, meta=meta)


def order_options(word: Wording, right: str, wrong: Sequence[str]) -> list[str]:
    """Shuffle the wrong options and put the right one at its slot."""
    options = shuffled(word.rng, wrong)
    slot = int(word.rng.integers(len(options) + 1)) if word.slot is None else word.slot % (len(options) + 1)
    options.insert(slot, right)
    return options
