"""The relations of RegionWorld: their words, their inverses, and when a spatial one holds."""

from __future__ import annotations

from collections.abc import Sequence

LEFT, RIGHT, ABOVE, BELOW = "left of", "right of", "above", "below"
INSIDE, AROUND = "inside", "around"
FRONT, BEHIND = "in front of", "behind"
CONNECTED = "connected to"
POINTING, POINTED = "pointing at", "pointed at by"
ALIKE = "looking like"

SPATIAL: tuple[str, ...] = (LEFT, RIGHT, ABOVE, BELOW)
RELATIONS: tuple[str, ...] = (
    *SPATIAL, INSIDE, AROUND, FRONT, BEHIND, CONNECTED, POINTING, POINTED, ALIKE,
)  # fmt: skip
INVERSE: dict[str, str] = {
    LEFT: RIGHT, RIGHT: LEFT, ABOVE: BELOW, BELOW: ABOVE, INSIDE: AROUND, AROUND: INSIDE, FRONT: BEHIND,
    BEHIND: FRONT, CONNECTED: CONNECTED, POINTING: POINTED, POINTED: POINTING, ALIKE: ALIKE,
}  # fmt: skip
SYMMETRIC: tuple[str, ...] = (CONNECTED, ALIKE)
# The relations that a scene has to be built for, by the direction that names them.
PLANTABLE: tuple[str, ...] = (INSIDE, FRONT, CONNECTED, POINTING, ALIKE)

# "left of" holds when the way across is this many times the way up or down; it is certainly false
# when the other object is on the wrong side, or the way up or down is that much longer.
CLEAR_RATIO = 2.0
MIN_DISTANCE_PX = 6.0

Triple = tuple[int, str, int]
Point = tuple[float, float]


def sentence(subject: str, relation: str, other: str) -> str:
    """Return a relation as a sentence without its full stop: ``<Prompt0> is left of <Prompt1>``."""
    return f"{subject} is {relation} {other}"


def inverse(triple: Triple) -> Triple:
    """The same fact told from the other object."""
    return triple[2], INVERSE[triple[1]], triple[0]


def canonical(triple: Triple) -> Triple:
    """One form for a fact and its inverse."""
    return min(triple, inverse(triple))


def spatial_truth(relation: str, a: Point, b: Point) -> bool | None:
    """Whether ``a`` is left of (right of, above, below) ``b``; None where a reader could argue.

    Units: centroids (x, y) in pixels.
    """
    dx, dy = b[0] - a[0], b[1] - a[1]
    if relation in (ABOVE, BELOW):
        dx, dy = dy, dx
    if relation in (RIGHT, BELOW):
        dx = -dx
    # From here on the question is whether a lies before b along dx.
    if dx >= MIN_DISTANCE_PX and dx >= CLEAR_RATIO * abs(dy):
        return True
    if dx <= -MIN_DISTANCE_PX or abs(dy) >= CLEAR_RATIO * abs(dx):
        return False
    return None


def direction(a: Point, b: Point) -> str:
    """The direction that says best where ``a`` lies from ``b``, however near to another it is.

    Units: centroids (x, y) in pixels.
    """
    dx, dy = b[0] - a[0], b[1] - a[1]
    if abs(dx) >= abs(dy):
        return LEFT if dx >= 0 else RIGHT
    return ABOVE if dy >= 0 else BELOW


def joined(names: Sequence[str], word: str) -> str:
    """List names in a sentence: ``a, b or c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"
