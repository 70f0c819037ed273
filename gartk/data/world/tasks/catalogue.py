"""All tasks by name: which scenes they fit, how they are planned and worded, how often they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gartk.data.world.scene import Kind, Scene
from gartk.data.world.tasks.base import Plan, Question, Wording
from gartk.data.world.tasks.captions import plan_caption, plan_chain, plan_pair, word_caption, word_pair
from gartk.data.world.tasks.relational import plan_relation, word_relation
from gartk.data.world.tasks.single import (
    plan_attribute,
    plan_non_entity,
    plan_place,
    plan_position,
    word_attribute,
    word_non_entity,
    word_place,
    word_position,
)

Planner = Callable[[str, Scene, np.random.Generator, "Sequence[int] | None"], "Plan | None"]
Worder = Callable[[Plan, Wording], Question]


@dataclass(frozen=True)
class Task:
    """One task: the scenes it fits with their shares, its two steps, and its default weight."""

    plan: Planner
    word: Worder
    weight: float
    kinds: Mapping[Kind, float]


_ANY: dict[Kind, float] = {"scatter": 0.7, "grid": 0.1, "surfaces": 0.2}
_SCATTER: dict[Kind, float] = {"scatter": 1.0}
_GRID: dict[Kind, float] = {"grid": 1.0}
_SURFACES: dict[Kind, float] = {"surfaces": 1.0}

TASKS: dict[str, Task] = {
    "color": Task(plan_attribute, word_attribute, 1.0, _ANY),
    "shape": Task(plan_attribute, word_attribute, 1.0, _ANY),
    "texture": Task(plan_attribute, word_attribute, 1.0, _ANY),
    "material": Task(plan_attribute, word_attribute, 1.0, _ANY),
    "position": Task(plan_position, word_position, 1.5, _GRID),
    "non_entity": Task(plan_non_entity, word_non_entity, 1.0, _SURFACES),
    "relation": Task(plan_relation, word_relation, 3.0, _SCATTER),
    "caption": Task(plan_caption, word_caption, 1.0, _ANY),
    "relation_caption": Task(plan_chain, word_pair, 0.5, _SCATTER),
    "caption_simple": Task(plan_pair, word_pair, 1.0, _SCATTER),
    "caption_detailed": Task(plan_pair, word_pair, 1.0, _SCATTER),
    "open_color": Task(plan_attribute, word_attribute, 0.5, _ANY),
    "open_shape": Task(plan_attribute, word_attribute, 0.5, _ANY),
    "open_texture": Task(plan_attribute, word_attribute, 0.5, _ANY),
    "open_material": Task(plan_attribute, word_attribute, 0.5, _ANY),
    "open_position": Task(plan_position, word_position, 0.5, _GRID),
    "open_place": Task(plan_place, word_place, 0.5, _ANY),
    "open_non_entity": Task(plan_non_entity, word_non_entity, 0.3, _SURFACES),
    "open_relation": Task(plan_pair, word_pair, 1.0, _SCATTER),
    # open_relation where the answer is a direction: a step towards the rest.
    "open_direction": Task(plan_pair, word_pair, 0.5, _SCATTER),
}
CHOICE_TASKS: tuple[str, ...] = (
    "color",
    "shape",
    "texture",
    "material",
    "position",
    "non_entity",
    "relation",
)
CAPTION_TASKS: tuple[str, ...] = ("caption_simple", "caption_detailed")
# What a report over RegionWorld covers: the seven sub-tasks and the two caption tasks of GAR-Bench.
EVALUATION_TASKS: tuple[str, ...] = CHOICE_TASKS + CAPTION_TASKS
DEFAULT_WEIGHTS: dict[str, float] = {name: task.weight for name, task in TASKS.items()}
