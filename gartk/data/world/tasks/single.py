"""Questions about one region: its color, shape, texture, material, its place in a grid, what it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gartk.data.world.attributes import ARROW, VALUES, Attribute
from gartk.data.world.relations import joined
from gartk.data.world.scene import ENTITY_ROLES, Role, Scene
from gartk.data.world.tasks.base import (
    MAX_OPTIONS,
    Plan,
    Question,
    Wording,
    draw,
    finish,
    most_common_share,
    order_options,
    pool,
    shuffled,
)

ATTRIBUTES: tuple[Attribute, ...] = ("color", "shape", "texture", "material")
ATTRIBUTE_QUESTION: dict[Attribute, str] = {
    "color": "What color is {}?",
    "shape": "What shape is {}?",
    "texture": "What texture does {} have?",
    "material": "What material is {}?",
}
POSITION_QUESTION = "Which row and column is {} in?"
PLACE_QUESTION = "Where in the image is {}?"
ROW_NAMES, COLUMN_NAMES = ("top", "", "bottom"), ("left", "", "right")
# A centroid this near to a border between two thirds, as a share of the side, belongs clearly to neither.
PLACE_MARGIN = 0.03
ENTITY_QUESTION = "Is {} a real object, a mirror reflection, a picture on a screen or a shadow?"
PICK_QUESTION: dict[Role, str] = {
    "real object": "Which one among {} is a real object?",
    "mirror reflection": "Which one among {} is in the mirror?",
    "picture on a screen": "Which one among {} is on the screen?",
    "shadow": "Which one among {} is a shadow?",
}


def base_task(task: str) -> str:
    """The subject of a task, whatever its form: ``open_color`` asks for a ``color``."""
    return task.removeprefix("open_")


def _can_show(scene: Scene, index: int, attribute: Attribute) -> bool:
    obj = scene.objects[index]
    if obj.role != "real object" or obj.look is None:
        return False
    if attribute == "shape":
        return obj.look.shape != ARROW
    return obj.attribute_clear or attribute == "color"


def plan_attribute(
    task: str, scene: Scene, rng: np.random.Generator, allowed: Sequence[int] | None
) -> Plan | None:
    """Choose a real object on which the attribute can be seen."""
    attribute: Attribute = base_task(task)  # type: ignore[assignment]
    fitting = [i for i in pool(scene, allowed) if _can_show(scene, i, attribute)]
    return Plan(task, (draw(rng, fitting),)) if fitting else None


def _attribute_options(word: Wording, obj: int, attribute: Attribute, right: str) -> list[str]:
    looks = [other.look for i, other in enumerate(word.scene.objects) if other.look is not None and i != obj]
    nearby = dict.fromkeys(look.value(attribute) for look in looks)
    wrong = [
        value for value in shuffled(word.rng, list(nearby)) if value in VALUES[attribute] and value != right
    ]
    rest = [value for value in VALUES[attribute] if value != right and value not in wrong]
    return (wrong + shuffled(word.rng, rest))[: MAX_OPTIONS - 1]


def word_attribute(plan: Plan, word: Wording) -> Question:
    """Ask for one attribute; wrong options are what other objects of the scene show."""
    attribute: Attribute = base_task(plan.task)  # type: ignore[assignment]
    obj = plan.objects[0]
    values = {
        i: _value(word.scene, i, attribute) for i in word.regions if _can_show(word.scene, i, attribute)
    }
    text = ATTRIBUTE_QUESTION[attribute].format(word.name(obj))
    return _ask_value(plan, word, text, values, lambda right: _attribute_options(word, obj, attribute, right))


def _value(scene: Scene, index: int, attribute: Attribute) -> str:
    look = scene.objects[index].look
    return "" if look is None else look.value(attribute)


def _ask_value(plan: Plan, word: Wording, text: str, values: dict[int, str], wrong: Any) -> Question:
    """Ask for the value of one region; what the other prompted regions show limits a blind guess."""
    right = values[plan.objects[0]]
    if plan.task.startswith("open_"):
        return finish(
            word, plan, text, right, kind="open", blind_chance=most_common_share(list(values.values()))
        )
    options = order_options(word, right, wrong(right))
    blind = most_common_share([value for value in values.values() if value in options])
    return finish(word, plan, text, right, kind="choice", blind_chance=blind, options=options)


def plan_position(
    task: str, scene: Scene, rng: np.random.Generator, allowed: Sequence[int] | None
) -> Plan | None:
    """Choose an object of a grid."""
    fitting = [i for i in pool(scene, allowed) if scene.objects[i].cell is not None]
    return Plan(task, (draw(rng, fitting),)) if fitting else None


def position_text(cell: tuple[int, int]) -> str:
    """How a place in a grid is said."""
    return f"row {cell[0]}, column {cell[1]}"


def word_position(plan: Plan, word: Wording) -> Question:
    """Ask for row and column; the options are the corners of a rectangle in the same grid.

    Each corner shares its row with one other and its column with one other, so that the text alone
    does not tell which is right.
    """
    cells = {i: obj.cell for i, obj in enumerate(word.scene.objects) if obj.cell is not None}
    row, col = cells[plan.objects[0]]

    def wrong(_right: str) -> list[str]:
        other_row = draw(word.rng, sorted({r for r, _ in cells.values()} - {row}))
        other_col = draw(word.rng, sorted({c for _, c in cells.values()} - {col}))
        return [position_text(c) for c in ((row, other_col), (other_row, col), (other_row, other_col))]

    values = {i: position_text(cells[i]) for i in word.regions if i in cells}
    return _ask_value(plan, word, POSITION_QUESTION.format(word.name(plan.objects[0])), values, wrong)


def place_text(scene: Scene, index: int) -> str | None:
    """Where the middle of an object lies, by thirds of the image; None where two places fit."""
    x, y = scene.centroid(index)
    height, width = scene.hw
    shares = (y / height, x / width)
    if any(abs(share - border) < PLACE_MARGIN for share in shares for border in (1 / 3, 2 / 3)):
        return None
    row, column = (min(int(3 * share), 2) for share in shares)
    return f"{ROW_NAMES[row]} {COLUMN_NAMES[column]}".strip() or "middle"


def plan_place(
    task: str, scene: Scene, rng: np.random.Generator, allowed: Sequence[int] | None
) -> Plan | None:
    """Choose an object that lies clearly in one place."""
    fitting = [i for i in pool(scene, allowed) if place_text(scene, i) is not None]
    return Plan(task, (draw(rng, fitting),)) if fitting else None


def word_place(plan: Plan, word: Wording) -> Question:
    """Ask in which of nine places of the image an object lies."""
    places = {i: place_text(word.scene, i) for i in word.regions}
    values = {i: place for i, place in places.items() if place is not None}
    return _ask_value(plan, word, PLACE_QUESTION.format(word.name(plan.objects[0])), values, None)


def plan_non_entity(
    task: str, scene: Scene, rng: np.random.Generator, allowed: Sequence[int] | None
) -> Plan | None:
    """Choose one region to identify, or (not for open questions) the one of its kind among two to four."""
    fitting = pool(scene, allowed)
    roles = [role for role in ENTITY_ROLES if any(scene.objects[i].role == role for i in fitting)]
    if not roles:
        return None
    role = draw(rng, roles)
    target = draw(rng, [i for i in fitting if scene.objects[i].role == role])
    others = shuffled(rng, [i for i in fitting if scene.objects[i].role != role])
    if task.startswith("open_") or not others or rng.random() < 0.5:
        return Plan(task, (target,))
    chosen = others[: min(len(others), 1 + int(rng.choice(3, p=(0.15, 0.25, 0.6))))]
    return Plan(task, (target, *chosen), {"role": role}, target=target)


def word_non_entity(plan: Plan, word: Wording) -> Question:
    """Ask what a region is, or which of several regions is in the mirror (on the screen, ...)."""
    if plan.target is None:
        values = {i: str(word.scene.objects[i].role) for i in word.regions}
        text = ENTITY_QUESTION.format(word.name(plan.objects[0]))
        return _ask_value(plan, word, text, values, lambda right: [r for r in ENTITY_ROLES if r != right])
    shown = sorted(plan.objects, key=lambda obj: word.numbers[obj])
    names = [word.name(i) for i in shown]
    text = PICK_QUESTION[plan.data["role"]].format(joined(names, "or"))
    return finish(
        word, plan, text, word.name(plan.target), kind="choice", blind_chance=1 / len(names), options=names,
        facts={"pick": plan.data["role"]},
        reasons=[f"{word.name(i)} {word.scene.objects[i].role}" for i in shown],
    )  # fmt: skip
