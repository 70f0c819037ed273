"""Signed distance functions of the shapes and the surface patterns, on normalised coordinates.

A shape of radius 1 lies around the origin, u to the right, v downwards; a distance is negative inside.
The sign is exact everywhere; away from the outline the size is only good enough for shading.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

# How far a shape reaches from its centre, in radii (the corners of the square and the triangle).
REACH = 1.12
OWN_REACH: dict[str, float] = {
    "circle": 0.92, "square": 1.11, "triangle": 1.1, "star": 1.08, "cross": 1.04, "ring": 0.95,
}  # fmt: skip
RING_MIDDLE, RING_HALF_WIDTH = 0.68, 0.27
CONTAINER_MIDDLE, CONTAINER_HALF_WIDTH = 0.86, 0.1
CONTAINER_HOLE = CONTAINER_MIDDLE - CONTAINER_HALF_WIDTH


def _circle(u: Plane, v: Plane) -> Plane:
    return np.sqrt(u * u + v * v) - np.float32(0.92)


def _square(u: Plane, v: Plane) -> Plane:
    return np.maximum(np.abs(u), np.abs(v)) - np.float32(0.78)


def _triangle(u: Plane, v: Plane) -> Plane:
    slope = np.float32(math.sqrt(3) / 2)
    return np.maximum(v, np.abs(u) * slope - v * np.float32(0.5)) - np.float32(0.55)


def _star(u: Plane, v: Plane) -> Plane:
    sector = 2 * math.pi / 5
    angle = np.arctan2(u, -v)
    angle = np.abs(angle - np.rint(angle / np.float32(sector)) * np.float32(sector))
    radius = np.sqrt(u * u + v * v)
    inner, outer = 0.46, 1.08
    # Edge from the tip (angle 0) to the notch (half a sector on): its unit normal and offset.
    notch = (inner * math.cos(sector / 2), inner * math.sin(sector / 2))
    along = (notch[0] - outer, notch[1])
    length = math.hypot(*along)
    normal = (along[1] / length, -along[0] / length)
    across = np.cos(angle) * np.float32(normal[0]) + np.sin(angle) * np.float32(normal[1])
    return np.asarray(radius * across - np.float32(outer * normal[0]), dtype=np.float32)


def _cross(u: Plane, v: Plane) -> Plane:
    across, down = np.abs(u), np.abs(v)
    arm, half = np.float32(0.98), np.float32(0.32)
    return np.minimum(np.maximum(across - arm, down - half), np.maximum(across - half, down - arm))


def _ring(u: Plane, v: Plane) -> Plane:
    return np.abs(np.sqrt(u * u + v * v) - np.float32(RING_MIDDLE)) - np.float32(RING_HALF_WIDTH)


def _container(u: Plane, v: Plane) -> Plane:
    return np.abs(np.sqrt(u * u + v * v) - np.float32(CONTAINER_MIDDLE)) - np.float32(CONTAINER_HALF_WIDTH)


def _arrow(u: Plane, v: Plane) -> Plane:
    down = np.abs(v)
    shaft = np.maximum(np.abs(u + np.float32(0.4)) - np.float32(0.6), down - np.float32(0.22))
    # The head: a triangle with its tip at u = 1 and its base at u = 0.05.
    head = np.maximum(np.float32(0.05) - u, (u - np.float32(1.0) + down * np.float32(1.4)) * np.float32(0.58))
    return np.minimum(shaft, head)


SDF: dict[str, Callable[[Plane, Plane], Plane]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "ring": _ring,
    "container": _container,
    "arrow": _arrow,
}


def pattern(texture: str, u: Plane, v: Plane) -> tuple[Plane | None, Plane | None]:
    """How dark and how light the pattern is at each place, each 0..1; None for not at all.

    Stripes are dark, dots are light, and the squares of a checkerboard are either.

    Shapes: u, v (h, w) or broadcastable to it.
    """
    if texture == "striped":
        return np.clip(np.sin(u * np.float32(2 * math.pi / 0.4)) * 3 + np.float32(0.5), 0, 1), None
    if texture == "dotted":
        across, down = u / np.float32(0.44), v / np.float32(0.44)
        across, down = across - np.rint(across), down - np.rint(down)
        apart = np.sqrt(across * across + down * down)
        return None, np.clip((np.float32(0.38) - apart) * 6 + np.float32(0.5), 0, 1)
    if texture == "checkered":
        turn = np.float32(math.pi / 0.3)
        dark = np.clip(np.sin(u * turn) * np.sin(v * turn) * 5 + np.float32(0.5), 0, 1)
        return dark, (1 - dark) * np.float32(0.6)
    return None, None
