"""Building scenes from a random stream: scattered objects, grids of like objects, mirrors and screens."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gartk.data.world.attributes import (
    ARROW,
    COLORS,
    VALUES,
    Attribute,
    Look,
    Split,
    draw_look,
    may_draw,
)
from gartk.data.world.layout import Cell, Cells, divide
from gartk.data.world.relations import ALIKE, CONNECTED, FRONT, INSIDE, INVERSE, PLANTABLE, POINTING
from gartk.data.world.render import Pose, frame_px, outline
from gartk.data.world.scene import Kind, Role, Scene, WorldObject, render
from gartk.data.world.shapes import CONTAINER_HOLE, OWN_REACH, REACH

TILT_RAD = math.radians(22)
SIZE_RANGE = (0.31, 0.42)
# The front object of an occluding pair hides between these shares of the one behind it.
HIDDEN_RANGE = (0.14, 0.45)


@dataclass
class Builder:
    """The state of a scene while it is being built."""

    rng: np.random.Generator
    hw: tuple[int, int]
    split: Split
    held_out: bool
    objects: list[WorldObject] = field(default_factory=list)
    links: list[tuple[int, int]] = field(default_factory=list)
    planted: dict[tuple[int, int], str] = field(default_factory=dict)
    used: set[Look] = field(default_factory=set)

    def look(self) -> Look:
        """Draw a look that no other object of the scene has."""
        for _ in range(50):
            look = draw_look(self.rng, split=self.split, held_out=self.held_out)
            if look not in self.used:
                break
        self.used.add(look)
        return look

    def add(self, obj: WorldObject) -> int:
        """Put an object on top of the others and return its index."""
        self.objects.append(obj)
        return len(self.objects) - 1

    def plant(self, a: int, relation: str, b: int) -> None:
        """Note that a relation holds, in both directions."""
        self.planted[a, b] = relation
        self.planted[b, a] = INVERSE[relation]

    def tilt(self) -> float:
        """A small rotation."""
        return float(self.rng.uniform(-TILT_RAD, TILT_RAD))

    def pose_in(self, cells: Cells, cell: Cell) -> Pose:
        """A pose in a cell: random size and tilt, and as much jitter as keeps it off its neighbours."""
        radius = cells.side * float(self.rng.uniform(*SIZE_RANGE))
        x, y = cells.centre(cell)
        room_x = min(0.14 * cells.width, cells.width / 2 - REACH * radius - 1)
        room_y = min(0.14 * cells.height, cells.height / 2 - REACH * radius - 1)
        jitter = self.rng.uniform(-1, 1, size=2)
        return Pose(x + float(jitter[0]) * max(0.0, room_x), y + float(jitter[1]) * max(0.0, room_y), radius,
                    self.tilt())  # fmt: skip

    def place(self, cells: Cells, cell: Cell, look: Look | None = None) -> int:
        """Put a real object into a cell."""
        look = look or self.look()
        return self.add(real(look, self.pose_in(cells, cell)))

    def scene(self, kind: Kind, seed: tuple[int, ...], grid_shape: tuple[int, int] | None = None) -> Scene:
        """Render what was built."""
        image, ids = render(self.rng, self.objects, self.links, self.hw)
        return Scene(kind, self.hw, self.objects, self.links, self.planted, seed, image, ids, grid_shape)


def real(look: Look, pose: Pose, *, attribute_clear: bool = True) -> WorldObject:
    """A real object of the shape that its look names."""
    return WorldObject("real object", look, pose, look.shape, attribute_clear)


# ---- scattered objects with relations -----------------------------------------------------------


def _plant_inside(build: Builder, cells: Cells) -> None:
    cell = cells.take()
    if cell is None:
        return
    x, y = cells.centre(cell)
    radius = 0.485 * cells.side
    rings = [Look(color, "ring", "plain", "matte") for color in COLORS]
    rings = [look for look in rings if look not in build.used and may_draw(look, build.split, build.held_out)]
    ring = rings[int(build.rng.integers(len(rings)))]
    build.used.add(ring)
    outer = build.add(
        WorldObject("real object", ring, Pose(x, y, radius), "container", attribute_clear=False)
    )
    look = build.look()
    inner_radius = 0.92 * CONTAINER_HOLE * radius / OWN_REACH[look.shape]
    inner = build.add(real(look, Pose(x, y, inner_radius, build.tilt())))
    build.plant(inner, INSIDE, outer)


def _plant_front(build: Builder, cells: Cells) -> None:
    """Two objects of which the later one hides a part of the other."""
    pair = cells.take_pair(ordered=True) if cells.rows * cells.cols > 6 else None
    cell = cells.take() if pair is None else None
    if pair is not None:
        (x0, y0), (x1, y1) = cells.centre(pair[0]), cells.centre(pair[1])
        x, y, radius = (x0 + x1) / 2, (y0 + y1) / 2, 0.41 * cells.side
        angle = math.atan2(y1 - y0, x1 - x0)
    elif cell is not None:
        (x, y), radius = cells.centre(cell), 0.30 * cells.side
        angle = float(build.rng.integers(2)) * math.pi / 2
    else:
        return
    back, front = build.look(), build.look()
    while front.material == "glass":
        front = build.look()
    angle += float(build.rng.integers(2)) * math.pi
    back_tilt, front_tilt = build.tilt(), build.tilt()
    for apart in (1.2, 1.08, 0.96, 0.84, 0.72, 0.6):
        dx, dy = apart * radius * math.cos(angle) / 2, apart * radius * math.sin(angle) / 2
        behind = Pose(x - dx, y - dy, radius, back_tilt)
        before = Pose(x + dx, y + dy, radius, front_tilt)
        if hidden_share(back.shape, behind, front.shape, before, build.hw) >= HIDDEN_RANGE[0]:
            break
    index = build.add(real(back, behind))
    build.plant(build.add(real(front, before)), FRONT, index)


def hidden_share(back: str, behind: Pose, front: str, before: Pose, hw: tuple[int, int]) -> float:
    """Which share of the back object the front object covers."""
    patch = outline(back, behind, hw)
    body = patch.distance <= 0
    cover = outline(front, before, hw, window=patch.window).distance <= 0
    return float(np.count_nonzero(body & cover)) / max(1, int(np.count_nonzero(body)))


def _plant_connected(build: Builder, cells: Cells) -> None:
    pair = cells.take_pair(diagonal=True)
    if pair is None:
        return
    a, b = build.place(cells, pair[0]), build.place(cells, pair[1])
    build.links.append((a, b))
    build.plant(a, CONNECTED, b)


def _plant_pointing(build: Builder, cells: Cells) -> None:
    pair = cells.take_pair(diagonal=True)
    if pair is None:
        return
    target = build.place(cells, pair[1])
    aim = build.objects[target].pose
    x, y = cells.centre(pair[0])
    look = Look(COLORS[int(build.rng.integers(len(COLORS)))], ARROW, "plain", "matte")
    pose = Pose(x, y, 0.46 * cells.side, math.atan2(aim.cy - y, aim.cx - x))
    arrow = build.add(WorldObject("real object", look, pose, ARROW, attribute_clear=False))
    build.plant(arrow, POINTING, target)


def _plant_alike(build: Builder, cells: Cells) -> None:
    """Two objects of one look, and where there is room a third that differs in one attribute."""
    first, second, third = cells.take(), cells.take(), cells.take()
    if first is None or second is None:
        return
    look = build.look()
    build.plant(build.place(cells, first, look), ALIKE, build.place(cells, second, look))
    if third is not None:
        build.place(cells, third, near_miss(build, look))


def near_miss(build: Builder, look: Look) -> Look:
    """A look of the same scene that shares all but one attribute with another, where the split allows it."""
    attributes: list[Attribute] = ["color", "shape", "texture", "material"]
    for i in build.rng.permutation(4).tolist():
        values = [value for value in VALUES[attributes[i]] if value != look.value(attributes[i])]
        other = replace(look, **{attributes[i]: values[int(build.rng.integers(len(values)))]})
        if other not in build.used and may_draw(other, build.split, build.held_out):
            build.used.add(other)
            return other
    return build.look()


_PLANTERS: dict[str, Callable[[Builder, Cells], None]] = {
    INSIDE: _plant_inside,
    FRONT: _plant_front,
    CONNECTED: _plant_connected,
    POINTING: _plant_pointing,
    ALIKE: _plant_alike,
}


def scatter(
    build: Builder, seed: tuple[int, ...], *, plants: Sequence[str] = (), crowded: bool = False
) -> Scene:
    """Scatter objects over the image; ``plants`` names relations to build first, else two are drawn."""
    cells = divide(build.rng, build.hw, 3 if crowded or build.rng.random() < 0.5 else 2)
    if not plants:
        order = build.rng.permutation(len(PLANTABLE)).tolist()
        plants = [PLANTABLE[i] for i in order[: 2 if len(cells.free) > 4 else 1]]
    for relation in plants:
        _PLANTERS[relation](build, cells)
    total = len(cells.free) + len(build.objects)
    aim = total if crowded or total <= 6 else int(build.rng.integers(5, 9))
    while len(build.objects) < aim and (cell := cells.take()) is not None:
        build.place(cells, cell)
    return build.scene("scatter", seed)


# ---- grids of like objects ----------------------------------------------------------------------


def grid(build: Builder, seed: tuple[int, ...]) -> Scene:
    """Lay 2-4 rows and 2-4 columns of one look over a part of the image."""
    rows, cols = int(build.rng.integers(2, 5)), int(build.rng.integers(2, 5))
    height, width = build.hw
    fill = build.rng.uniform((0.72 + 0.07 * (rows - 2), 0.72 + 0.07 * (cols - 2)), 1.0)
    tall, wide = height * float(fill[0]) / rows, width * float(fill[1]) / cols
    top, left = (build.rng.uniform(0, 1, size=2) * (1 - fill) * np.asarray(build.hw)).tolist()
    look, angle = build.look(), build.tilt()
    radius = min(tall, wide) * float(build.rng.uniform(0.34, 0.41))
    jitter = build.rng.uniform(-0.04, 0.04, size=(rows, cols, 2)) * min(tall, wide)
    for r in range(rows):
        for c in range(cols):
            x, y = left + (c + 0.5) * wide + jitter[r, c, 0], top + (r + 0.5) * tall + jitter[r, c, 1]
            pose = Pose(float(x), float(y), radius, angle)
            build.add(replace(real(look, pose), cell=(r + 1, c + 1)))
    return build.scene("grid", seed, (rows, cols))


# ---- mirrors, screens and shadows ---------------------------------------------------------------


def _panel(build: Builder, cells: Cells, role: Role, looks: list[Look]) -> None:
    """Put up a mirror or screen over one or two cells and let it show things."""
    pair = cells.take_pair(ordered=True) if build.rng.random() < 0.6 else None
    single = cells.take() if pair is None else None
    shown = list(pair) if pair else [single] if single else []
    if not shown:
        return
    (y0, x0), (y1, x1) = shown[0], shown[-1]
    pad = 0.02 * cells.side
    box = (
        round(x0 * cells.width + pad),
        round(y0 * cells.height + pad),
        round((x1 + 1) * cells.width - pad),
        round((y1 + 1) * cells.height - pad),
    )
    middle = Pose((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, max(box[2] - box[0], box[3] - box[1]) / 2)
    build.add(WorldObject(role, None, middle, "square", box_px=box))
    inner_role: Role = "mirror reflection" if role == "mirror" else "picture on a screen"
    limit = (cells.side / 2 - pad - frame_px(box) - 1) / REACH
    for cell in shown:
        x, y = cells.centre(cell)
        look = looks[int(build.rng.integers(len(looks)))] if role == "mirror" else build.look()
        pose = Pose(
            x, y, min(limit, cells.side * float(build.rng.uniform(0.32, 0.38))), build.tilt(), flip=True
        )
        build.add(WorldObject(inner_role, look, pose, look.shape, attribute_clear=False))


def _with_shadow(build: Builder, cells: Cells) -> None:
    """Put up an object whose shadow falls to its right or below it."""
    pair = cells.take_pair(ordered=True)
    if pair is None:
        return
    look, pose = build.look(), build.pose_in(cells, pair[0])
    x, y = cells.centre(pair[1])
    dark = Pose(x, y, 0.84 * pose.radius, pose.angle, squash=0.62, shear=0.45)
    build.add(WorldObject("shadow", look, dark, look.shape, attribute_clear=False))
    build.add(real(look, pose))


def surfaces(build: Builder, seed: tuple[int, ...]) -> Scene:
    """Show real objects together with two or three of: a mirror, a screen, a shadow."""
    cells = divide(build.rng, build.hw, 3)
    parts = build.rng.permutation(3).tolist()
    keep = 3 if build.rng.random() < 0.6 else 2
    chosen = parts[:keep]
    if 2 in chosen:
        _with_shadow(build, cells)
    for _ in range(2):
        cell = cells.take()
        if cell is not None:
            build.place(cells, cell)
    looks = [obj.look for obj in build.objects if obj.role == "real object" and obj.look is not None]
    for part in chosen:
        if part < 2:
            _panel(build, cells, ("mirror", "screen")[part], looks)
    if (cell := cells.take()) is not None and build.rng.random() < 0.7:
        build.place(cells, cell)
    return build.scene("surfaces", seed)
