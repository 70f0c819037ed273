"""Multiple-choice questions about relations: which statement is true, and which region stands in one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from gartk.data.world.relations import (
    INVERSE,
    POINTED,
    RELATIONS,
    SPATIAL,
    SYMMETRIC,
    Triple,
    canonical,
    inverse,
    joined,
    sentence,
)
from gartk.data.world.scene import Scene
from gartk.data.world.tasks.base import (
    MAX_OPTIONS,
    Plan,
    Question,
    Wording,
    draw,
    finish,
    order_options,
    pool,
    shuffled,
)

SPATIAL_RATE = 0.4
PICK_RATE = 0.45
THIRD_RATE = 0.3
# How many wrong candidates a question offers, and how often.
OTHER_COUNTS, OTHER_RATES = (1, 2, 3, 4, 5), (0.12, 0.2, 0.48, 0.1, 0.1)
STATEMENT_QUESTION = "Which statement about {} is true?"
# Said about a pair only in its own direction, as its inverse reads badly as an option.
_SAID = tuple(relation for relation in RELATIONS if relation != POINTED)


def true_facts(scene: Scene, objects: Sequence[int], *, spatial: bool) -> list[Triple]:
    """All facts among real objects: the spatial ones of pairs with no planted relation, or the planted."""
    real = [i for i in objects if scene.objects[i].role == "real object" and scene.kind == "scatter"]
    if not spatial:
        return [(a, rel, b) for (a, b), rel in scene.planted.items() if a in real and b in real]
    facts = []
    for a in real:
        for b in real:
            if a < b and (a, b) not in scene.planted:
                facts += [(a, rel, b) for rel in SPATIAL if scene.truth((a, rel, b))]
    return [fact for one in facts for fact in (one, inverse(one))]


def choose_fact(
    scene: Scene, rng: np.random.Generator, objects: Sequence[int], *, spatial_only: bool = False
) -> Triple | None:
    """Draw a fact: spatial or planted at a fixed rate, the planted relations equally often."""
    spatial = spatial_only or bool(rng.random() < SPATIAL_RATE)
    facts = true_facts(scene, objects, spatial=spatial)
    if not facts and not spatial_only:
        facts = true_facts(scene, objects, spatial=not spatial)
    if not facts:
        return None
    families = list(dict.fromkeys(min(fact[1], INVERSE[fact[1]]) for fact in facts))
    family = draw(rng, families)
    triple: Triple = draw(rng, [fact for fact in facts if family in (fact[1], INVERSE[fact[1]])])
    return triple


def plan_relation(
    task: str, scene: Scene, rng: np.random.Generator, allowed: Sequence[int] | None
) -> Plan | None:
    """Plan either form: a true statement among false ones, or the region that stands in a relation."""
    usable = pool(scene, allowed)
    fact = choose_fact(scene, rng, usable)
    if fact is None:
        return None
    planners = [_plan_pick, _plan_statement]
    if rng.random() >= PICK_RATE:
        planners.reverse()
    for planner in planners:
        plan = planner(task, scene, rng, usable, fact)
        if plan is not None:
            return plan
    return None


def _plan_pick(
    task: str, scene: Scene, rng: np.random.Generator, usable: Sequence[int], fact: Triple
) -> Plan | None:
    """Which of the candidates stands in the relation: only one may, and the rest certainly not."""
    target, relation, subject = fact
    certain = [
        i for i in usable
        if i not in (target, subject) and scene.objects[i].role == "real object"
        and scene.truth((i, relation, subject)) is False
    ]  # fmt: skip
    if not certain:
        return None
    count = int(rng.choice(OTHER_COUNTS, p=OTHER_RATES))
    others = shuffled(rng, certain)[:count]
    return Plan(task, (subject, target, *others), {"fact": fact, "form": "pick"}, target=target)


def _plan_statement(
    task: str, scene: Scene, rng: np.random.Generator, usable: Sequence[int], fact: Triple
) -> Plan | None:
    """Which statement holds: about two regions, or three where the relation is the same both ways."""
    if fact[1] == POINTED:
        fact = inverse(fact)
    a, relation, b = fact
    others = [i for i in usable if i not in (a, b) and scene.objects[i].role == "real object"]
    false: list[Triple] = []
    named: tuple[int, ...] = (a, b)
    if others and (relation in SYMMETRIC or rng.random() < THIRD_RATE):
        named = (a, b, draw(rng, others))
        false = _false_of_three(scene, rng, named, fact)
        # Where only one assignment leaves every option clearly true or false, masks alone give it away.
        if false and blind_statement_chance(scene, named, [fact, *false]) > 0.5:
            false = []
    if not false and relation not in SYMMETRIC:
        named, false = (a, b), _false_of_two(scene, rng, fact)
    return Plan(task, named, {"fact": fact, "form": "statement", "false": false}) if false else None


def _converse(rng: np.random.Generator, triple: Triple) -> Triple:
    """The same relation the other way round: ``b left of a`` or ``a right of b`` for ``a left of b``."""
    a, relation, b = triple
    if INVERSE[relation] in _SAID and rng.random() < 0.5:
        return a, INVERSE[relation], b
    return b, relation, a


def _false_of_two(scene: Scene, rng: np.random.Generator, fact: Triple) -> list[Triple]:
    """The converse, and another relation in both directions.

    With each option its converse is there, so the text alone gives nothing away. The other relation is
    false both ways, preferably one that holds elsewhere in the scene.
    """
    a, relation, b = fact
    present = set(scene.planted.values()) | set(SPATIAL)
    directed = [rel for rel in _SAID if rel not in SYMMETRIC and rel not in (relation, INVERSE[relation])]
    for rel in sorted(shuffled(rng, directed), key=lambda name: name not in present):
        if scene.truth((a, rel, b)) is False and scene.truth((b, rel, a)) is False:
            filler: Triple = (a, rel, b) if rng.random() < 0.5 else (b, rel, a)
            return [_converse(rng, fact), filler, _converse(rng, filler)]
    return []


def _false_of_three(
    scene: Scene, rng: np.random.Generator, named: tuple[int, ...], fact: Triple
) -> list[Triple]:
    """The same relation between other pairs of the three regions; nothing where too few are false."""
    taken, false = {canonical(fact)}, []
    for x, y in shuffled(rng, list(permutations(named, 2))):
        triple: Triple = (x, fact[1], y)
        if canonical(triple) not in taken and scene.truth(triple) is False:
            taken.add(canonical(triple))
            false.append(triple)
    wanted = 2 if fact[1] in SYMMETRIC else MAX_OPTIONS - 1
    return false[:wanted] if len(false) >= wanted else []


def word_relation(plan: Plan, word: Wording) -> Question:
    """Write the planned form with the prompt numbers."""
    return _word_pick(plan, word) if plan.data["form"] == "pick" else _word_statement(plan, word)


def _fact_numbers(word: Wording, fact: Triple) -> list[object]:
    return [word.numbers[fact[0]], fact[1], word.numbers[fact[2]]]


def _word_pick(plan: Plan, word: Wording) -> Question:
    target, relation, subject = plan.data["fact"]
    candidates = sorted(plan.objects[1:], key=lambda obj: word.numbers[obj])
    names = joined([word.name(i) for i in candidates], "or")
    if relation == POINTED:
        text = f"Which one among {names} is {word.name(subject)} pointing at?"
    else:
        text = f"Which one among {names} is {relation} {word.name(subject)}?"
    shown = candidates
    if len(candidates) > MAX_OPTIONS:
        others = shuffled(word.rng, [i for i in candidates if i != target])[: MAX_OPTIONS - 1]
        shown = sorted([target, *others], key=lambda obj: word.numbers[obj])
    options = [word.name(i) for i in shown]
    return finish(
        word, plan, text, word.name(target), kind="choice", blind_chance=1 / len(options), options=options,
        facts={"relation": _fact_numbers(word, plan.data["fact"])},
        reasons=_reasons(word, [(i, subject) for i in shown]),
    )  # fmt: skip


def _said(word: Wording, triple: Triple) -> str:
    return sentence(word.name(triple[0]), triple[1], word.name(triple[2]))


def _reasons(word: Wording, pairs: Sequence[tuple[int, int]]) -> list[str]:
    """How the first of each pair stands to the second."""
    return [f"{word.name(a)} {word.scene.relation(a, b)} {word.name(b)}" for a, b in pairs]


def _word_statement(plan: Plan, word: Wording) -> Question:
    fact, false = plan.data["fact"], plan.data["false"]
    names = [word.name(i) for i in sorted(plan.objects, key=lambda obj: word.numbers[obj])]
    pairs = {_said(word, triple): (triple[0], triple[2]) for triple in (fact, *false)}
    right, *wrong = pairs
    options = order_options(word, right, wrong)
    blind = blind_statement_chance(word.scene, word.regions, [fact, *false])
    return finish(
        word, plan, STATEMENT_QUESTION.format(joined(names, "and")), right, kind="choice",
        blind_chance=blind, options=options, facts={"relation": _fact_numbers(word, fact)},
        reasons=_reasons(word, [pairs[option] for option in options]),
    )  # fmt: skip


def blind_statement_chance(scene: Scene, regions: Sequence[int], statements: Sequence[Triple]) -> float:
    """The best accuracy without knowing which mask is which prompt, all assignments being equally likely.

    An assignment counts when it makes exactly one of the statements true and the others false.
    """
    named = list(dict.fromkeys(i for a, _, b in statements for i in (a, b)))
    true_counts = [0] * len(statements)
    cache: dict[Triple, bool | None] = {}
    for assigned in permutations(regions, len(named)):
        place = dict(zip(named, assigned, strict=True))
        moved = [(place[a], rel, place[b]) for a, rel, b in statements]
        truths = []
        for triple in moved:
            if triple not in cache:
                cache[triple] = scene.truth(triple)
            truths.append(cache[triple])
        if truths.count(True) == 1 and None not in truths:
            true_counts[truths.index(True)] += 1
    return max(true_counts) / max(1, sum(true_counts))
