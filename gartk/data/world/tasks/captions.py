"""Captions: of one region, of how regions relate, and both together; and the open relation question."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, permutations
from typing import Any

import numpy as np

from gartk.data.world.attributes import Look
from gartk.data.world.relations import RELATIONS, Triple, joined, sentence
from gartk.data.world.scene import Scene
from gartk.data.world.tasks.base import Plan, Question, Wording, draw, finish, most_common_share, pool
from gartk.data.world.tasks.relational import choose_fact, true_facts

CAPTION_QUESTION = "Describe {} in detail."
SIMPLE_QUESTION = "What is the relationship between {} and {}?"
DETAILED_QUESTION = "Describe {} in detail, including the relationship with {}."
RELATION_CAPTION_QUESTION = "Describe how {} are related."
OPEN_RELATION_QUESTION = "Where or how is {} relative to {}?"


def article(look: Look) -> str:
    """The look with its article: ``an orange plain matte ring``."""
    return f"{'an' if look.color[0] in 'aeiou' else 'a'} {look.words}"


def _described(word: Wording, obj: int) -> str:
    look = word.scene.objects[obj].look
    return "" if look is None else article(look)


def plan_caption(
    task: str, scene: Scene, rng: np.random.Generator, allowed: Sequence[int] | None
) -> Plan | None:
    """Choose a real object to describe."""
    fitting = [
        i
        for i in pool(scene, allowed)
        if scene.objects[i].role == "real object" and scene.objects[i].attribute_clear
    ]
    return Plan(task, (draw(rng, fitting),)) if fitting else None


def word_caption(plan: Plan, word: Wording) -> Question:
    """Describe one object by its four attributes."""
    obj = plan.objects[0]
    name = word.name(obj)
    answer = f"{name} is {_described(word, obj)}."
    others = [word.scene.objects[i].look for i in word.regions if word.scene.objects[i].role == "real object"]
    blind = others.count(word.scene.objects[obj].look) / len(others)
    return finish(word, plan, CAPTION_QUESTION.format(name), answer, kind="caption", blind_chance=blind)


def plan_pair(
    task: str, scene: Scene, rng: np.random.Generator, allowed: Sequence[int] | None
) -> Plan | None:
    """Choose a fact about two objects; a detailed caption needs a subject whose attributes show."""
    usable = pool(scene, allowed)
    for _ in range(4):
        fact = choose_fact(scene, rng, usable, spatial_only=task == "open_direction")
        if fact is None:
            return None
        if task != "caption_detailed" or scene.objects[fact[0]].attribute_clear:
            return Plan(task, (fact[0], fact[2]), {"facts": (fact,)})
    return None


def plan_chain(
    task: str, scene: Scene, rng: np.random.Generator, allowed: Sequence[int] | None
) -> Plan | None:
    """Choose three objects, of which the first two and the last two are related."""
    usable = pool(scene, allowed)
    fact = choose_fact(scene, rng, usable)
    if fact is None:
        return None
    every = true_facts(scene, usable, spatial=False) + true_facts(scene, usable, spatial=True)
    onward = [other for other in every if other[0] == fact[2] and other[2] != fact[0]]
    if not onward:
        return None
    second = draw(rng, onward)
    return Plan(task, (fact[0], fact[2], second[2]), {"facts": (fact, second)})


def true_relations(scene: Scene, a: int, b: int) -> list[str]:
    """Every relation that certainly holds from ``a`` to ``b``."""
    return [relation for relation in RELATIONS if scene.truth((a, relation, b))]


def primary_relation(scene: Scene, a: int, b: int) -> str | None:
    """The relation that a caption states: the planted one, else a clear spatial one."""
    relation = scene.relation(a, b)
    return relation if scene.truth((a, relation, b)) else None


def _blind(word: Wording, plan: Plan) -> float:
    """The best guess when every assignment of masks to prompts that allows the question is as likely."""
    scene = word.scene
    real = [i for i in word.regions if scene.objects[i].role == "real object"]
    answers: list[tuple[object, ...]] = []
    for assigned in permutations(real, len(plan.objects)):
        said = [primary_relation(scene, a, b) for a, b in pairwise(assigned)]
        if None in said:
            continue
        if plan.task == "caption_detailed":
            if not scene.objects[assigned[0]].attribute_clear:
                continue
            said.append(_described(word, assigned[0]))
        answers.append(tuple(said))
    return most_common_share(answers)


def word_pair(plan: Plan, word: Wording) -> Question:
    """Word any task whose answer states relations."""
    facts: tuple[Triple, ...] = plan.data["facts"]
    named = [word.name(i) for i in plan.objects]
    stated = [sentence(word.name(a), relation, word.name(b)) + "." for a, relation, b in facts]
    kind = "caption"
    if plan.task == "caption_simple":
        text, answer = SIMPLE_QUESTION.format(*named), stated[0]
    elif plan.task == "caption_detailed":
        text = DETAILED_QUESTION.format(*named)
        answer = f"{named[0]} is {_described(word, plan.objects[0])}. {stated[0]}"
    elif plan.task == "relation_caption":
        text, answer = RELATION_CAPTION_QUESTION.format(joined(named, "and")), " ".join(stated)
    else:
        text, answer, kind = OPEN_RELATION_QUESTION.format(*named), facts[0][1], "open"
    a, _, b = facts[0]
    numbers = [[word.numbers[x], rel, word.numbers[y]] for x, rel, y in facts]
    extra: dict[str, Any] = {
        "relation": numbers[0],
        "relations": numbers,
        "also_true": true_relations(word.scene, a, b),
    }
    if plan.task == "caption_detailed":
        extra["described"] = word.numbers[a]
    return finish(word, plan, text, answer, kind=kind, blind_chance=_blind(word, plan), facts=extra)
