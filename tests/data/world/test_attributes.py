from __future__ import annotations

import pytest

from gartk.data.world.attributes import (
    COLORS,
    HELD_OUT_COLOR_SHAPE,
    HELD_OUT_MATERIAL_TEXTURE,
    MATERIALS,
    SEEN_COLOR_SHAPE,
    SEEN_MATERIAL_TEXTURE,
    SHAPES,
    SPLITS,
    TEXTURES,
    check_split,
    is_held_out,
)
from gartk.data.world.dataset import build_scene
from gartk.data.world.scene import KINDS
from gartk.errors import ConfigError


def drawn_pairs(split: str, count: int = 60) -> tuple[set, set, list[bool]]:
    """The (color, shape) and (material, texture) pairs of many scenes, and which objects are held out."""
    color_shapes, material_textures, held = set(), set(), []
    for kind in KINDS:
        for i in range(count):
            for obj in build_scene((SPLITS.index(split), 5, i), (64, 96), kind=kind, split=split).objects:
                if obj.look is not None and obj.look.shape != "arrow":
                    color_shapes.add((obj.look.color, obj.look.shape))
                    material_textures.add((obj.look.material, obj.look.texture))
                    held.append(is_held_out(obj.look))
    return color_shapes, material_textures, held


def test_every_word_is_seen_in_train_although_pairs_are_held_out():
    assert {color for color, _ in SEEN_COLOR_SHAPE} == set(COLORS)
    assert {shape for _, shape in SEEN_COLOR_SHAPE} == set(SHAPES)
    assert {material for material, _ in SEEN_MATERIAL_TEXTURE} == set(MATERIALS)
    assert {texture for _, texture in SEEN_MATERIAL_TEXTURE} == set(TEXTURES)


@pytest.mark.parametrize("table", [HELD_OUT_COLOR_SHAPE, HELD_OUT_MATERIAL_TEXTURE])
def test_val_and_test_hold_out_different_pairs(table):
    assert table["train"] == ()
    assert table["val"] and table["test"]
    assert not set(table["val"]) & set(table["test"])


def test_train_scenes_never_show_a_held_out_pair():
    color_shapes, material_textures, held = drawn_pairs("train")
    assert color_shapes == set(SEEN_COLOR_SHAPE)
    assert material_textures == set(SEEN_MATERIAL_TEXTURE)
    assert not any(held)


@pytest.mark.parametrize(("split", "other"), [("val", "test"), ("test", "val")])
def test_val_and_test_scenes_show_their_own_held_out_pairs_about_half_the_time(split, other):
    color_shapes, material_textures, held = drawn_pairs(split)
    assert set(HELD_OUT_COLOR_SHAPE[split]) <= color_shapes
    assert set(HELD_OUT_MATERIAL_TEXTURE[split]) <= material_textures
    assert not set(HELD_OUT_COLOR_SHAPE[other]) & color_shapes
    assert not set(HELD_OUT_MATERIAL_TEXTURE[other]) & material_textures
    assert 0.3 < sum(held) / len(held) < 0.6


def test_an_unknown_split_names_the_near_one():
    with pytest.raises(ConfigError, match="Did you mean 'train'"):
        check_split("trian")
