from __future__ import annotations

import numpy as np
import pytest

from gartk.data.world.builders import near_miss
from gartk.data.world.dataset import build_scene
from gartk.data.world.relations import INVERSE
from gartk.data.world.scene import KINDS
from gartk.errors import DataError
from tests.data.world.helpers import alone, box, holds

SIZES = [(224, 224), (96, 320), (320, 96), (64, 64), (150, 233)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(kind):
    first, again = (build_scene((0, 1, 2), (96, 128), kind=kind) for _ in range(2))
    assert first.image.tobytes() == again.image.tobytes()
    assert first.ids.tobytes() == again.ids.tobytes()
    assert first.objects == again.objects
    other = build_scene((0, 1, 3), (96, 128), kind=kind)
    assert other.image.tobytes() != first.image.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_is_the_objects_own_outline_less_what_was_painted_later(kind):
    for i in range(12):
        scene = build_scene((0, 7, i), (160, 200), kind=kind)
        covered = np.zeros(scene.hw, dtype=bool)
        for index in range(len(scene.objects) - 1, -1, -1):
            obj = scene.objects[index]
            if obj.box_px is None:
                full = alone(scene, index)
            else:
                full = np.zeros(scene.hw, dtype=bool)
                full[obj.box_px[1] : obj.box_px[3], obj.box_px[0] : obj.box_px[2]] = True
            np.testing.assert_array_equal(scene.mask(index), full & ~covered)
            covered |= full


def test_painting_an_object_changes_the_picture_inside_its_mask_and_nowhere_else():
    for i in range(8):
        scene = build_scene((0, 8, i), (160, 160), kind="grid")
        empty = np.abs(scene.image.astype(int) - np.median(scene.image[scene.ids == 0], axis=0)).max(-1)
        # One pixel of slack: the outline is antialiased.
        inside = scene.ids > 0
        assert np.mean(empty[inside] > 40) > 0.5
        edge = np.zeros_like(inside)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                edge |= np.roll(inside, (dy, dx), (0, 1))
        assert empty[~edge].max() < 45


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hw", SIZES)
def test_any_size_and_aspect_ratio_keeps_objects_whole_and_visible(kind, hw):
    for i in range(6):
        scene = build_scene((1, 9, i), hw, kind=kind, split="val")
        assert scene.image.shape == (*hw, 3)
        assert scene.image.dtype == np.uint8
        assert len(scene.promptable) >= 2
        for index in scene.promptable:
            x0, y0, x1, y1 = box(alone(scene, index))
            assert x0 > 0
            assert y0 > 0
            assert x1 < hw[1]
            assert y1 < hw[0]


def test_objects_have_the_promised_size_at_224_pixels():
    sides = []
    for i in range(40):
        scene = build_scene((0, 10, i), (224, 224), kind="scatter")
        for index in scene.promptable:
            x0, y0, x1, y1 = box(alone(scene, index))
            sides.append(max(x1 - x0, y1 - y0))
    assert min(sides) >= 34
    assert max(sides) <= 112
    assert 45 < np.median(sides) < 80


def test_the_background_is_never_black():
    for i in range(20):
        scene = build_scene((0, 11, i), (96, 96), kind="scatter")
        assert scene.image[scene.ids == 0].mean() > 60


def test_planted_relations_are_true_on_the_masks_and_have_their_inverse():
    seen = set()
    for i in range(80):
        scene = build_scene((0, 12, i), (224, 224), kind="scatter")
        for (a, b), relation in scene.planted.items():
            assert holds(scene, a, relation, b), (i, a, relation, b)
            assert scene.planted[b, a] == INVERSE[relation]
            assert scene.truth((a, relation, b)) is True
            seen.add(relation)
    assert seen >= {"inside", "in front of", "connected to", "pointing at", "looking like"}


def test_relations_that_a_scene_denies_are_false_on_the_masks():
    relations = ("left of", "above", "inside", "in front of", "connected to", "pointing at", "looking like")
    checked = 0
    for i in range(12):
        scene = build_scene((0, 13, i), (160, 160), kind="scatter")
        for a in scene.promptable:
            for b in scene.promptable:
                for relation in relations:
                    if a != b and scene.truth((a, relation, b)) is False:
                        assert not holds(scene, a, relation, b), (i, a, relation, b)
                        checked += 1
    assert checked > 500


def test_objects_that_are_not_an_occluding_pair_do_not_touch():
    for kind in KINDS:
        for i in range(15):
            scene = build_scene((0, 14, i), (224, 224), kind=kind)
            shown = [k for k in scene.promptable if scene.objects[k].role != "shadow"]
            for a in shown:
                for b in shown:
                    if a < b and scene.planted.get((a, b)) not in ("in front of", "behind"):
                        assert not (alone(scene, a) & alone(scene, b)).any(), (kind, i, a, b)


def test_both_objects_of_an_occluding_pair_stay_well_visible():
    for i in range(60):
        scene = build_scene((2, 15, i), (224, 224), kind="scatter", split="test")
        for (a, b), relation in scene.planted.items():
            if relation == "behind":
                hidden = 1 - scene.mask(a).sum() / alone(scene, a).sum()
                assert 0.05 < hidden < 0.6, (i, hidden)
                assert scene.mask(b).sum() == alone(scene, b).sum()


def test_no_two_objects_look_alike_unless_the_scene_says_so():
    for i in range(60):
        scene = build_scene((1, 16, i), (128, 128), kind="scatter", split="val")
        real = scene.promptable
        for a in real:
            for b in real:
                if a < b:
                    same = scene.objects[a].look == scene.objects[b].look
                    assert same == (scene.planted.get((a, b)) == "looking like")


def test_reflections_and_pictures_lie_in_their_panel_and_a_reflection_copies_a_real_object():
    roles = set()
    for i in range(40):
        scene = build_scene((0, 17, i), (224, 224), kind="surfaces")
        looks = [obj.look for obj in scene.objects if obj.role == "real object"]
        panel = None
        for index, obj in enumerate(scene.objects):
            roles.add(obj.role)
            panel = obj if obj.box_px is not None else panel
            if obj.role in ("mirror reflection", "picture on a screen"):
                x0, y0, x1, y1 = box(scene.mask(index))
                u0, v0, u1, v1 = panel.box_px
                assert u0 < x0
                assert v0 < y0
                assert x1 < u1
                assert y1 < v1
            if obj.role == "mirror reflection":
                assert obj.look in looks
    assert roles == {"real object", "mirror reflection", "picture on a screen", "shadow", "mirror", "screen"}


def test_grids_are_ordered_by_row_and_column():
    for i in range(20):
        scene = build_scene((0, 18, i), (200, 140), kind="grid")
        centres = {scene.objects[k].cell: scene.centroid(k) for k in scene.promptable}
        rows, cols = scene.grid_shape
        assert set(centres) == {(r, c) for r in range(1, rows + 1) for c in range(1, cols + 1)}
        for (r, c), (x, y) in centres.items():
            assert c == cols or x < centres[r, c + 1][0] - 5
            assert r == rows or y < centres[r + 1, c][1] - 5


def test_a_near_miss_differs_in_one_attribute_and_stays_within_the_split():
    from gartk.data.world.attributes import Look, is_held_out
    from gartk.data.world.builders import Builder

    build = Builder(np.random.default_rng(0), (64, 64), "train", False)
    look = Look("red", "square", "plain", "matte")
    build.used.add(look)
    for _ in range(30):
        other = near_miss(build, look)
        assert sum(other.value(k) != look.value(k) for k in ("color", "shape", "texture", "material")) == 1
        assert not is_held_out(other)
        build.used = {look}


def test_too_small_an_image_is_refused():
    with pytest.raises(DataError, match="at least 64 pixels"):
        build_scene((0, 0, 0), (40, 200), kind="grid")
