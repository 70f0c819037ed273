from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from gartk.data.world.attributes import (
    SPLITS,
    VALUES,
    Look,
    check_split,
    looks_of,
    may_draw,
    owner,
)
from gartk.data.world.dataset import build_scene
from gartk.data.world.scene import KINDS
from gartk.errors import ConfigError

ATTRIBUTES = ("color", "shape", "texture", "material")


def drawn(split: str, count: int = 60) -> list[Look]:
    """The looks of all objects but arrows in many scenes."""
    return [
        obj.look
        for kind in KINDS
        for i in range(count)
        for obj in build_scene((SPLITS.index(split), 5, i), (64, 96), kind=kind, split=split).objects
        if obj.look is not None and obj.look.shape != "arrow"
    ]


def test_val_and_test_own_a_tenth_of_all_looks_each():
    sizes = {split: len(looks_of(split)) for split in SPLITS}
    assert sum(sizes.values()) == 8 * 6 * 4 * 4
    assert 70 <= sizes["val"] <= 84
    assert 70 <= sizes["test"] <= 84


@pytest.mark.parametrize("names", list(combinations(ATTRIBUTES, 2)))
def test_every_pair_of_words_is_seen_in_train(names):
    seen = {tuple(look.value(name) for name in names) for look in looks_of("train")}
    assert len(seen) == len(VALUES[names[0]]) * len(VALUES[names[1]])


def test_a_held_out_look_is_seen_with_any_one_attribute_changed_in_most_cases():
    for look in looks_of("test"):
        for name in ATTRIBUTES:
            near = [replace(look, **{name: value}) for value in VALUES[name] if value != look.value(name)]
            assert sum(owner(other) == "train" for other in near) >= len(near) - 1


def test_train_scenes_never_show_a_held_out_look():
    assert {owner(look) for look in drawn("train")} == {"train"}


@pytest.mark.parametrize(("split", "other"), [("val", "test"), ("test", "val")])
def test_val_and_test_scenes_show_their_own_held_out_looks_about_half_the_time(split, other):
    owners = [owner(look) for look in drawn(split)]
    assert other not in owners
    assert 0.3 < owners.count(split) / len(owners) < 0.6


def test_a_scene_without_held_out_objects_draws_train_looks_only():
    look = looks_of("test")[0]
    assert may_draw(look, "test", True)
    assert not may_draw(look, "test", False)
    assert not may_draw(look, "val", True)


def test_an_unknown_split_names_the_near_one():
    with pytest.raises(ConfigError, match="Did you mean 'train'"):
        check_split("trian")
