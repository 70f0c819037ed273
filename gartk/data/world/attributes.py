"""What an object of RegionWorld can look like, and which combinations each split may draw.

Held-out combinations are fixed. Of the 48 (color, shape) pairs, ``val`` owns the 8 pairs
``(COLORS[i], SHAPES[i % 6])`` and ``test`` the 8 pairs ``(COLORS[i], SHAPES[(i + 3) % 6])``; of the 16
(material, texture) pairs, ``val`` owns (metal, dotted) and (wool, striped), ``test`` owns (glass,
checkered) and (matte, dotted). ``train`` draws none of them, and ``val`` and ``test`` never draw each
other's, so every held-out object is new as a combination while each single word was seen.
"""

from __future__ import annotations

from dataclasses import dataclass
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

Pair = tuple[str, str]
HELD_OUT_COLOR_SHAPE: dict[Split, tuple[Pair, ...]] = {
    "train": (),
    "val": tuple((color, SHAPES[i % 6]) for i, color in enumerate(COLORS)),
    "test": tuple((color, SHAPES[(i + 3) % 6]) for i, color in enumerate(COLORS)),
}
HELD_OUT_MATERIAL_TEXTURE: dict[Split, tuple[Pair, ...]] = {
    "train": (),
    "val": (("metal", "dotted"), ("wool", "striped")),
    "test": (("glass", "checkered"), ("matte", "dotted")),
}


def _seen(
    first: tuple[str, ...], second: tuple[str, ...], held: dict[Split, tuple[Pair, ...]]
) -> tuple[Pair, ...]:
    banned = {pair for split in SPLITS for pair in held[split]}
    return tuple((a, b) for a in first for b in second if (a, b) not in banned)


SEEN_COLOR_SHAPE: tuple[Pair, ...] = _seen(COLORS, SHAPES, HELD_OUT_COLOR_SHAPE)
SEEN_MATERIAL_TEXTURE: tuple[Pair, ...] = _seen(MATERIALS, TEXTURES, HELD_OUT_MATERIAL_TEXTURE)

# How many val and test scenes show held-out objects, how many of their objects are held out, and how
# often an object that is held out has its colour-shape pair (else only its material-texture pair).
HELD_OUT_SCENE_RATE = 0.56
HELD_OUT_RATE = 0.92
COLOR_SHAPE_RATE = 0.8


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


def is_held_out(look: Look) -> bool:
    """Whether train never draws this colour-shape or this material-texture pair."""
    if look.shape == ARROW:
        return False
    color_shape, material_texture = (look.color, look.shape), (look.material, look.texture)
    return any(
        color_shape in HELD_OUT_COLOR_SHAPE[split] or material_texture in HELD_OUT_MATERIAL_TEXTURE[split]
        for split in SPLITS
    )


def pick(rng: np.random.Generator, items: tuple[Pair, ...]) -> Pair:
    """Draw one pair."""
    return items[int(rng.integers(len(items)))]


def draw_look(rng: np.random.Generator, *, split: Split, held_out: bool) -> Look:
    """Draw a look that the split may show; ``held_out`` allows (and mostly gives) its held-out pairs."""
    color_shapes, material_textures = SEEN_COLOR_SHAPE, SEEN_MATERIAL_TEXTURE
    if held_out and split != "train" and rng.random() < HELD_OUT_RATE:
        which = rng.random()
        if which < COLOR_SHAPE_RATE:
            color_shapes = HELD_OUT_COLOR_SHAPE[split]
        if which > COLOR_SHAPE_RATE - 0.2:
            material_textures = HELD_OUT_MATERIAL_TEXTURE[split]
    color, shape = pick(rng, color_shapes)
    material, texture = pick(rng, material_textures)
    return Look(color=color, shape=shape, texture=texture, material=material)
