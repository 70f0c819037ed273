"""A drawn scene: its objects, its picture, its exact masks, and what is true of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gartk.data.world.attributes import ARROW, Look, is_held_out
from gartk.data.world.relations import (
    ALIKE,
    POINTING,
    SPATIAL,
    Point,
    Triple,
    direction,
    inverse,
    spatial_truth,
)
from gartk.data.world.render import Canvas, Pose, outline

Kind = Literal["scatter", "grid", "surfaces"]
Role = Literal["real object", "mirror reflection", "picture on a screen", "shadow", "mirror", "screen"]

KINDS: tuple[Kind, ...] = ("scatter", "grid", "surfaces")
# What a region of a non-entity question can be. A mirror or a screen itself is never asked about.
ENTITY_ROLES: tuple[Role, ...] = ("real object", "mirror reflection", "picture on a screen", "shadow")
# An arrow that points elsewhere by this angle certainly does not point at an object.
POINTING_MISS_RAD = math.radians(25)


@dataclass(frozen=True)
class WorldObject:
    """One thing in a scene; a mirror or a screen has a box instead of a look.

    ``drawn_shape`` is the outline used (a container is a ring drawn thin). ``attribute_clear`` is False
    where texture and material are too small to ask about. ``cell`` is (row, column) from 1 in a grid.
    """

    role: Role
    look: Look | None
    pose: Pose
    drawn_shape: str
    attribute_clear: bool = True
    cell: tuple[int, int] | None = None
    box_px: tuple[int, int, int, int] | None = None

    @property
    def is_promptable(self) -> bool:
        """Whether questions may be asked about it."""
        return self.look is not None

    @property
    def is_held_out(self) -> bool:
        """Whether its combination of attributes never occurs in train."""
        return self.look is not None and self.role != "shadow" and is_held_out(self.look)


@dataclass
class Scene:
    """A rendered scene. Objects are in painting order; a later one covers an earlier one.

    Shapes: image (H, W, 3) uint8; ids (H, W) uint8, object index + 1 where it is visible, else 0.
    """

    kind: Kind
    hw: tuple[int, int]
    objects: list[WorldObject]
    links: list[tuple[int, int]]
    planted: dict[tuple[int, int], str]
    seed: tuple[int, ...]
    image: NDArray[np.uint8] = field(repr=False)
    ids: NDArray[np.uint8] = field(repr=False)
    grid_shape: tuple[int, int] | None = None
    _centroids: dict[int, Point] = field(default_factory=dict, repr=False)

    def mask(self, index: int) -> NDArray[np.bool_]:
        """The visible pixels of one object, (H, W)."""
        return self.ids == index + 1

    def centroid(self, index: int) -> Point:
        """The centroid (x, y) of the visible pixels, in pixels."""
        if index not in self._centroids:
            obj = self.objects[index]
            window = outline(obj.drawn_shape, obj.pose, self.hw).window
            rows, cols = np.nonzero(self.ids[window] == index + 1)
            x = float(cols.mean()) + window[1].start + 0.5
            y = float(rows.mean()) + window[0].start + 0.5
            self._centroids[index] = (x, y)
        return self._centroids[index]

    @cached_property
    def promptable(self) -> list[int]:
        """The objects that can be prompted and still show at least a few pixels."""
        area = np.bincount(self.ids.ravel(), minlength=len(self.objects) + 1)[1:]
        return [i for i, obj in enumerate(self.objects) if obj.is_promptable and area[i] >= 24]

    def truth(self, triple: Triple) -> bool | None:
        """Whether ``(a, relation, b)`` holds; None where it cannot be said for certain."""
        a, relation, b = triple
        if relation in SPATIAL:
            return spatial_truth(relation, self.centroid(a), self.centroid(b))
        if self.planted.get((a, b)) == relation:
            return True
        if relation == ALIKE:
            return False
        if relation == POINTING:
            return self._misses(a, b)
        if inverse(triple)[1] == POINTING:
            return self._misses(b, a)
        return False

    def relation(self, a: int, b: int) -> str:
        """What says best how ``a`` stands to ``b``: the planted relation, else a direction."""
        return self.planted.get((a, b)) or direction(self.centroid(a), self.centroid(b))

    def _misses(self, arrow: int, other: int) -> bool | None:
        pose, look = self.objects[arrow].pose, self.objects[arrow].look
        if look is None or look.shape != ARROW:
            return False
        x, y = self.centroid(other)
        angle = math.atan2(y - pose.cy, x - pose.cx) - pose.angle
        off = abs(math.remainder(angle, 2 * math.pi))
        return False if off > POINTING_MISS_RAD else None


def render(rng: np.random.Generator, scene_objects: list[WorldObject], links: list[tuple[int, int]],
           hw: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:  # fmt: skip
    """Paint objects in order and return the picture (H, W, 3) and the id map (H, W), both uint8.

    A panel is finished (sheen, screen lines) right after the last object that lies in it.
    """
    canvas = Canvas(rng, hw)
    for a, b in links:
        one, two = scene_objects[a].pose, scene_objects[b].pose
        canvas.link((one.cx, one.cy), (two.cx, two.cy), max(4.0, 0.2 * min(one.radius, two.radius)))
    open_panel: WorldObject | None = None
    for index, obj in enumerate(scene_objects):
        if open_panel is not None and obj.role not in ("mirror reflection", "picture on a screen"):
            canvas.finish_panel(open_panel.role, open_panel.box_px or (0, 0, 0, 0))
            open_panel = None
        if obj.box_px is not None:
            canvas.panel(obj.role, obj.box_px, index + 1)
            open_panel = obj
        elif obj.role == "shadow":
            canvas.shadow(obj.drawn_shape, obj.pose, index + 1)
        elif obj.look is not None:
            canvas.paint(obj.look, obj.drawn_shape, obj.pose, index + 1)
    if open_panel is not None:
        canvas.finish_panel(open_panel.role, open_panel.box_px or (0, 0, 0, 0))
    return canvas.to_uint8(), canvas.ids
