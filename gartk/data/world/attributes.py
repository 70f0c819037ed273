"""What an object of RegionWorld can look like, and which looks each split may draw.

A look is a color, a shape, a texture and a material: 768 combinations. A fixed tenth of them belongs
to ``val`` and another tenth to ``test``; ``train`` draws none of these, and ``val`` and ``test`` never
draw each other's. For any three attributes most values of the fourth are seen in training, so a
held-out object is new as a combination, while no pair of words is: a model that looks can name it, one
that has learned the list of objects cannot.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Literal

import numpy as np

from gartk.errors import ConfigError, did_you_mean

Split = Literal["train", "val", "test"]
Attribute = Literal["color", "shape", "texture", "material"]

SPLITS: tuple[Split, ...] = ("train", "val", "test")
RGB: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "orange": (245, 135, 20),
    "yellow": (245, 222, 40),
    "green": (35, 155, 55),
    "cyan": (60, 215, 225),
    "blue": (35, 70, 215),
    "purple": (130, 40, 175),
    "pink": (250, 130, 190),
}
COLORS: tuple[str, ...] = tuple(RGB)
SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "star", "cross", "ring")
TEXTURES: tuple[str, ...] = ("plain", "striped", "dotted", "checkered")
MATERIALS: tuple[str, ...] = ("matte", "metal", "glass", "wool")
ARROW = "arrow"
VALUES: dict[Attribute, tuple[str, ...]] = {
    "color": COLORS,
    "shape": SHAPES,
    "texture": TEXTURES,
    "material": MATERIALS,
}

# How many val and test scenes show held-out looks, and how many of their objects are held out.
HELD_OUT_SCENE_RATE = 0.56
HELD_OUT_RATE = 0.92
# A look's number modulo the number of groups names its group: with factors that share no divisor with
# it, a change of any one attribute changes the group.
HELD_OUT_GROUPS: dict[Split, int] = {"val": 0, "test": 1}
_NUM_GROUPS = 10
_FACTORS = (1, 3, 7, 9)


@dataclass(frozen=True)
class Look:
    """The four visible attributes of an object."""

    color: str
    shape: str
    texture: str
    material: str

    @property
    def words(self) -> str:
        """The attributes as a noun phrase without an article, say ``red striped metal ring``."""
        return f"{self.color} {self.texture} {self.material} {self.shape}"

    def value(self, attribute: Attribute) -> str:
        """The word for one attribute."""
        return str(getattr(self, attribute))


def check_split(split: str) -> Split:
    """Return the split if it is known.

    Raises: ConfigError if it is not one of train, val, test.
    """
    for known in SPLITS:
        if split == known:
            return known
    raise ConfigError(f"RegionWorld has no split {split!r}. {did_you_mean(split, SPLITS)}")


def owner(look: Look) -> Split:
    """The split that a look belongs to: val or test if it is held out, else train."""
    if look.shape == ARROW:
        return "train"
    places = (
        COLORS.index(look.color),
        SHAPES.index(look.shape),
        TEXTURES.index(look.texture),
        MATERIALS.index(look.material),
    )
    group = sum(factor * place for factor, place in zip(_FACTORS, places, strict=True)) % _NUM_GROUPS
    return next((split for split, own in HELD_OUT_GROUPS.items() if own == group), "train")


def is_held_out(look: Look) -> bool:
    """Whether train never draws this look."""
    return owner(look) != "train"


def may_draw(look: Look, split: Split, held_out: bool) -> bool:
    """Whether a scene of the split may show a look; ``held_out`` allows the split's own held-out looks."""
    return owner(look) == "train" or (held_out and owner(look) == split)


@cache
def looks_of(split: Split) -> tuple[Look, ...]:
    """All looks that belong to a split, in a fixed order."""
    every = (Look(*words) for words in product(COLORS, SHAPES, TEXTURES, MATERIALS))
    return tuple(look for look in every if owner(look) == split)


def draw_look(rng: np.random.Generator, *, split: Split, held_out: bool) -> Look:
    """Draw a look that the split may show; ``held_out`` mostly gives one that training never shows."""
    own = held_out and split != "train" and rng.random() < HELD_OUT_RATE
    looks = looks_of(split if own else "train")
    return looks[int(rng.integers(len(looks)))]
