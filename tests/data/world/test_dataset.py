from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gartk.data.world.corpus import world_corpus
from gartk.data.world.dataset import RegionWorldDataset, evaluation_set
from gartk.data.world.tasks.catalogue import DEFAULT_WEIGHTS, EVALUATION_TASKS, TASKS
from gartk.errors import ConfigError
from gartk.registry import DATASETS

ROOT = Path(__file__).resolve().parents[3]
FINGERPRINT = """
import hashlib, json
from gartk.data.world.dataset import RegionWorldDataset
data = RegionWorldDataset("val", length=6, sizes=[(64, 96), (96, 64)], turns_per_sample=4)
text = hashlib.sha256()
for i in range(6):
    s = data[i]
    text.update(s.image.tobytes() + json.dumps(s.meta).encode() + repr(s.turns).encode())
    for region in s.regions:
        text.update(region.mask.tobytes())
print(text.hexdigest())
"""


def same(one, two) -> bool:
    return (
        one.image.tobytes() == two.image.tobytes()
        and one.turns == two.turns
        and one.meta == two.meta
        and one.id == two.id
        and all((a.mask == b.mask).all() for a, b in zip(one.regions, two.regions, strict=True))
    )


def test_a_sample_depends_on_its_index_alone():
    data = RegionWorldDataset("train", length=9, size=(64, 64), turns_per_sample=3)
    forward = [data[i] for i in range(9)]
    backward = [data[i] for i in reversed(range(9))][::-1]
    assert all(same(a, b) for a, b in zip(forward, backward, strict=True))
    longer = RegionWorldDataset("train", length=99, size=(64, 64), turns_per_sample=3)
    assert same(longer[4], forward[4])


def test_an_offset_shifts_the_samples():
    data = RegionWorldDataset("train", length=5, size=(64, 64))
    shifted = RegionWorldDataset("train", length=5, size=(64, 64), index_offset=3)
    assert same(shifted[1], data[4])


def test_processes_with_other_hash_seeds_draw_the_same_bytes():
    prints = [
        subprocess.run(
            [sys.executable, "-c", FINGERPRINT], cwd=ROOT, capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert len(prints[0]) > 60
    assert prints[0] == prints[1]


def test_numpys_global_state_is_neither_used_nor_changed():
    data = RegionWorldDataset("train", length=3, size=(64, 64))
    np.random.seed(1)  # noqa: NPY002
    first, state = data[2], np.random.get_state()[1].tolist()  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    assert same(data[2], first)
    np.random.seed(1)  # noqa: NPY002
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_splits_and_seeds_give_different_scenes():
    images = {
        RegionWorldDataset(split, length=40, seed=seed, size=(64, 64))[i].image.tobytes()
        for split in ("train", "val", "test")
        for seed in (0, 1)
        for i in range(20)
    }
    assert len(images) == 3 * 2 * 20


@pytest.mark.parametrize("turns", [1, 5])
def test_tasks_come_at_their_weights(turns):
    data = RegionWorldDataset("train", length=4000, size=(64, 64), turns_per_sample=turns)
    counts = Counter(meta["task"] for i in range(2000 // turns) for meta in data[i].meta["turns"])
    total = sum(DEFAULT_WEIGHTS.values())
    assert set(counts) == set(TASKS)
    for task, weight in DEFAULT_WEIGHTS.items():
        assert counts[task] / counts.total() == pytest.approx(weight / total, abs=0.03), task


def test_turns_share_one_scene_and_at_most_seven_regions():
    data = RegionWorldDataset("train", length=60, size=(128, 128), turns_per_sample=6)
    for i in range(60):
        sample = data[i]
        assert [turn.role for turn in sample.turns] == ["user", "assistant"] * (len(sample.turns) // 2)
        assert len(sample.meta["turns"]) == len(sample.turns) // 2 >= 4
        assert 1 <= len(sample.regions) <= 7
        asked = [turn.text for turn in sample.turns if turn.role == "user"]
        for meta, text in zip(sample.meta["turns"], sample.turns[1::2], strict=True):
            assert text.text == meta["answer"]
            assert 0 < meta["blind_chance"] <= 1
        assert len(asked) > 1


def test_about_half_of_the_questions_in_test_are_about_held_out_objects():
    data = evaluation_set(40, size=(64, 64))
    held = [data[i].meta["held_out"] for i in range(len(data))]
    assert 0.4 < np.mean(held) < 0.6
    train = RegionWorldDataset("train", length=60, size=(64, 64))
    assert not any(train[i].meta["held_out"] for i in range(60))


def test_an_evaluation_set_holds_each_task_equally_often_with_one_turn():
    data = evaluation_set(5, tasks=["color", "relation", "caption_simple"], size=(64, 64))
    drawn = [data[i] for i in range(len(data))]
    assert Counter(s.meta["task"] for s in drawn) == {"color": 5, "relation": 5, "caption_simple": 5}
    assert all(len(s.turns) == 2 for s in drawn)
    assert {s.id for s in drawn} == {f"test-0-{i}" for i in range(15)}
    assert set(evaluation_set(1).weights) == set(EVALUATION_TASKS)


def test_sizes_may_be_ranges():
    data = RegionWorldDataset("train", length=30, sizes=[((64, 80), (100, 140)), (72, 64)])
    shapes = {data[i].image.shape[:2] for i in range(30)}
    assert (72, 64) in shapes
    assert all(hw == (72, 64) or (64 <= hw[0] <= 80 and 100 <= hw[1] <= 140) for hw in shapes)
    assert len(shapes) > 5


def test_it_is_registered_and_built_from_a_config():
    data = DATASETS.build({"type": "RegionWorldDataset", "split": "val", "length": 2, "size": (64, 64)})
    assert isinstance(data, RegionWorldDataset)
    assert len(data) == 2


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"split": "dev"}, "no split 'dev'"),
        ({"tasks": ["colour"]}, "Did you mean 'color'"),
        ({"tasks": "color"}, "a list or a dict"),
        ({"tasks": {"color": -1.0}}, "must be >= 0"),
        ({"tasks": {"color": 0.0}}, "nothing to draw"),
        ({"size": (32, 224)}, "at least 64"),
        ({"sizes": [((90, 80), 100)]}, "range"),
        ({"turns_per_sample": 0}, "turns_per_sample=0"),
        ({"choice_answer": "word"}, "one of letter, text, reasoned"),
        ({"turns_per_sample": 2, "balanced": True}, "turns_per_sample=1"),
    ],
)
def test_wrong_settings_say_what_is_wrong(settings, says):
    with pytest.raises(ConfigError, match=says):
        RegionWorldDataset(**settings)


def test_an_index_outside_raises_so_that_iteration_ends():
    data = RegionWorldDataset("train", length=3, size=(64, 64))
    with pytest.raises(IndexError, match=r"outside 0\.\.2"):
        data[3]
    assert len(list(data)) == 3


def test_the_corpus_holds_all_tasks_and_is_the_same_each_time():
    texts = world_corpus(400, seed=4)
    assert texts == world_corpus(400, seed=4)
    assert len(texts) >= 400
    words = set(" ".join(texts).replace(",", " ").replace(".", " ").replace("?", " ").split())
    assert {"checkered", "wool", "purple", "mirror", "row", "inside", "Describe", "Options:"} <= words
    assert len(words) < 200


def test_regions_can_come_with_the_first_question_that_names_them() -> None:
    data = RegionWorldDataset("train", length=20, turns_per_sample=5, max_regions=5, introduce="mention")
    late = 0
    for index in range(len(data)):
        sample = data[index]
        assert sample.introduced is not None
        questions = [turn.text for turn in sample.turns if turn.role == "user"]
        for region, at in enumerate(sample.introduced):
            named = [n for n, text in enumerate(questions) if f"<Prompt{region}>" in text]
            assert at == (named[0] if named else 0)
        late += max(sample.introduced) > 0
    assert late > 10
    with pytest.raises(ConfigError, match="introduce"):
        RegionWorldDataset("train", introduce="later")  # type: ignore[arg-type]
