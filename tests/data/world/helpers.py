"""Independent measurements on masks, against which the world's own statements are checked."""

from __future__ import annotations

import math
import re

import cv2
import numpy as np

from gartk.data.world.relations import INVERSE
from gartk.data.world.render import outline
from gartk.data.world.scene import Scene

STATEMENT = re.compile(r"<Prompt(\d+)> is ([a-z ]+) <Prompt(\d+)>")


def centre(mask: np.ndarray) -> np.ndarray:
    """The centroid (x, y) of a mask."""
    return np.argwhere(mask).mean(0)[::-1]


def box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """The tight box of a mask, max exclusive."""
    rows, cols = np.nonzero(mask)
    return int(cols.min()), int(rows.min()), int(cols.max()) + 1, int(rows.max()) + 1


def alone(scene: Scene, index: int) -> np.ndarray:
    """The mask an object would have with nothing in front of it."""
    obj = scene.objects[index]
    full = (slice(0, scene.hw[0]), slice(0, scene.hw[1]))
    return outline(obj.drawn_shape, obj.pose, scene.hw, window=full).distance <= 0


def holds(scene: Scene, a: int, relation: str, b: int) -> bool:
    """Whether a relation holds, measured on the masks (links and looks: on the scene)."""
    one, two = scene.mask(a), scene.mask(b)
    if relation in ("left of", "right of", "above", "below"):
        dx, dy = centre(two) - centre(one)
        along, across = (dx, dy) if relation in ("left of", "right of") else (dy, dx)
        return bool((along if relation in ("left of", "above") else -along) > 1.9 * abs(across))
    if relation == "inside":
        return _is_inside(one, two)
    if relation == "in front of":
        touching = cv2.dilate(one.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & two
        return bool(touching.any() and (one & alone(scene, b)).any())
    if relation == "connected to":
        return (a, b) in scene.links or (b, a) in scene.links
    if relation == "pointing at":
        return _points_at(scene, a, two)
    if relation == "looking like":
        return scene.objects[a].look == scene.objects[b].look
    return holds(scene, b, INVERSE[relation], a)


def _is_inside(one: np.ndarray, two: np.ndarray) -> bool:
    contours, _ = cv2.findContours(two.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros(two.shape, np.uint8), contours, -1, 1, cv2.FILLED).astype(bool)
    x0, y0, x1, y1 = box(one)
    u0, v0, u1, v1 = box(two)
    return bool(filled[one].all() and not two[one].any() and u0 < x0 and v0 < y0 and x1 < u1 and y1 < v1)


def _points_at(scene: Scene, arrow: int, target: np.ndarray) -> bool:
    """Follow the arrow's long axis, towards its heavier end, until it meets the target."""
    if scene.objects[arrow].look.shape != "arrow":
        return False
    points = np.argwhere(scene.mask(arrow))[:, ::-1].astype(float)
    middle = points.mean(0)
    _, _, axes = np.linalg.svd(points - middle, full_matrices=False)
    along = (points - middle) @ axes[0]
    # The head is wide and short: the tail reaches further from the centroid than the tip.
    direction = axes[0] if along.max() < -along.min() else -axes[0]
    for step in range(4, int(math.hypot(*scene.hw))):
        x, y = (middle + direction * step).astype(int)
        if not (0 <= x < scene.hw[1] and 0 <= y < scene.hw[0]):
            return False
        if target[y, x]:
            return True
    return False
