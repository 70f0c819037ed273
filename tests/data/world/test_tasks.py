from __future__ import annotations

import re
from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from gartk.data.world.attributes import VALUES
from gartk.data.world.dataset import RegionWorldDataset, build_scene
from gartk.data.world.relations import INVERSE, SPATIAL
from gartk.data.world.scene import Scene
from gartk.data.world.scoring import score
from gartk.data.world.tasks.catalogue import CHOICE_TASKS, TASKS
from gartk.structures import Sample
from tests.data.world.helpers import STATEMENT, centre, holds

PROMPT = re.compile(r"<Prompt(\d+)>")
SINGLE = ("color", "shape", "texture", "material", "position")


def samples(task: str, count: int, split: str = "test", **settings: object) -> list[Sample]:
    data = RegionWorldDataset(split, length=count, seed=3, size=(112, 112), tasks=[task], **settings)
    return [data[i] for i in range(count)]


def scene_of(sample: Sample) -> Scene:
    return build_scene(sample.meta["scene_seed"], **sample.meta["scene_args"])


@pytest.mark.parametrize("task", CHOICE_TASKS)
def test_choice_questions_have_the_form_of_gar_bench(task):
    for sample in samples(task, 30):
        question, answer = sample.turns
        lines = question.text.split("\n")
        assert lines[0].startswith("Question: ")
        assert lines[0].endswith("?")
        assert lines[1] == "Options:"
        assert lines[2:-1] == sample.meta["choices"]
        assert lines[-1] == "Answer with the correct option's letter directly."
        assert [line[:3] for line in lines[2:-1]] == [f"{c}. " for c in "ABCD"[: len(lines) - 3]]
        assert len(set(lines[2:-1])) == len(lines) - 3 >= 2
        assert answer.text in "ABCD"[: len(lines) - 3]
        assert sample.meta["chance"] == 1 / (len(lines) - 3)


@pytest.mark.parametrize("task", CHOICE_TASKS)
def test_a_choice_answered_with_text_differs_in_the_last_line_and_the_answer_alone(task):
    spelled = samples(task, 20, choice_answer="text")
    for letter, text in zip(samples(task, 20), spelled, strict=True):
        question, answer = text.turns
        assert question.text.split("\n")[:-1] == letter.turns[0].text.split("\n")[:-1]
        assert question.text.endswith("\nAnswer with the correct option's text directly.")
        assert f"{letter.turns[1].text}. {answer.text}" in text.meta["choices"]
        assert text.meta["answer"] == letter.meta["answer"] == letter.turns[1].text
        assert set(score(answer.text, text.meta).values()) == {1.0}


REASON = re.compile(r"([A-D])\. <Prompt(\d+)> ([a-z ]+?)(?: <Prompt(\d+)>)?")
OPTION = re.compile(r"([A-D])\. <Prompt(\d+)>(?: is ([a-z ]+) <Prompt(\d+)>)?")


@pytest.mark.parametrize("task", ["relation", "non_entity"])
def test_a_reasoned_choice_goes_through_the_options_as_far_as_the_right_one(task):
    reasoned = samples(task, 80, choice_answer="reasoned")
    lengths = Counter()
    for spelled, sample in zip(samples(task, 80, choice_answer="text"), reasoned, strict=True):
        (question, answer), meta = sample.turns, sample.meta
        checked, _, text = answer.text.rpartition("\n")
        assert text == spelled.turns[1].text
        assert meta["answer"] == spelled.meta["answer"]
        assert set(score(answer.text, meta).values()) == {1.0}
        if not checked:
            assert task == "non_entity"
            assert question.text == spelled.turns[0].text
            assert meta["answer_form"] == "text"
            continue
        assert question.text.endswith(
            "\nCheck the options in order, then answer with the correct option's text."
        )
        assert meta["answer_form"] == "reasoned"
        said = [REASON.fullmatch(reason).groups() for reason in checked.split(", ")]
        assert "".join(letter for letter, *_ in said) == "ABCD"[: "ABCD".index(meta["answer"]) + 1]
        for (letter, a, words, b), option in zip(said, meta["choices"], strict=False):
            named = OPTION.fullmatch(option)
            assert a == named[2]
            right = letter == meta["answer"]
            if task == "non_entity":
                assert words == scene_of(sample).objects[meta["objects"][int(a)]].role
                assert (words == meta["facts"]["pick"]) is right
                continue
            asked_about = named[4] or str(meta["facts"]["relation"][2])
            assert b == asked_about
            if named[3]:
                assert (words == named[3]) is right
            pair = (meta["objects"][int(a)], words, meta["objects"][int(b)])
            assert scene_of(sample).truth(pair) is not False
            fact, relation, subject = meta["facts"]["relation"]
            if right:
                assert (int(a), words, int(b)) in (
                    (fact, relation, subject),
                    (subject, INVERSE[relation], fact),
                )
        lengths[len(said)] += 1
    assert set(lengths) == {1, 2, 3, 4}


def test_a_place_is_the_third_of_the_image_that_clearly_holds_the_middle_of_the_object():
    seen = set()
    for sample in samples("open_place", 120):
        rows, cols = np.nonzero(sample.regions[0].mask)
        v, u = (rows.mean() + 0.5) / 112, (cols.mean() + 0.5) / 112
        for share in (u, v):
            assert min(abs(share - 1 / 3), abs(share - 2 / 3)) >= 0.03
        row = "top" if v < 1 / 3 else "bottom" if v > 2 / 3 else ""
        column = "left" if u < 1 / 3 else "right" if u > 2 / 3 else ""
        assert sample.turns[1].text == (f"{row} {column}".strip() or "middle")
        seen.add(sample.turns[1].text)
    assert len(seen) == 9


@pytest.mark.parametrize("task", TASKS)
def test_every_prompt_named_is_a_region_with_pixels_and_every_region_is_named(task):
    for sample in samples(task, 20):
        named = {int(n) for turn in sample.turns for n in PROMPT.findall(turn.text)}
        assert named == set(range(len(sample.regions)))
        assert len(sample.regions) <= 7
        scene = scene_of(sample)
        np.testing.assert_array_equal(scene.image, sample.image)
        for number, region in enumerate(sample.regions):
            assert region.mask.sum() >= 24
            np.testing.assert_array_equal(region.mask, scene.mask(sample.meta["objects"][number]))


@pytest.mark.parametrize("task", [*SINGLE, *(f"open_{task}" for task in SINGLE), "caption"])
def test_questions_about_one_object_prompt_one_region(task):
    assert {len(sample.regions) for sample in samples(task, 15)} == {1}


def test_relation_questions_prompt_two_to_seven_and_non_entity_one_to_four_regions():
    counts = {len(sample.regions) for sample in samples("relation", 250)}
    assert counts == {2, 3, 4, 5, 6, 7}
    assert {len(sample.regions) for sample in samples("non_entity", 60)} == {1, 2, 3, 4}


@pytest.mark.parametrize("task", ["color", "shape", "texture", "material"])
def test_the_right_attribute_is_that_of_the_object_and_wrong_ones_come_from_the_scene(task):
    for sample in samples(task, 40):
        scene = scene_of(sample)
        own = scene.objects[sample.meta["objects"][0]].look.value(task)
        options = [choice[3:] for choice in sample.meta["choices"]]
        assert options["ABCD".index(sample.meta["answer"])] == own
        assert set(options) <= set(VALUES[task])
        others = {obj.look.value(task) for obj in scene.objects if obj.look is not None} - {own, "arrow"}
        assert len(others & set(options)) == min(3, len(others))


def test_the_position_is_counted_from_the_centroids_of_all_masks():
    for sample in samples("position", 40):
        scene = scene_of(sample)
        centres = np.array([centre(scene.mask(i)) for i in range(len(scene.objects))])
        rows, cols = scene.grid_shape
        by_height = np.argsort(centres[:, 1]).reshape(rows, cols)
        target = sample.meta["objects"][0]
        row = int(np.argwhere(by_height == target)[0][0])
        col = int(np.sum(centres[by_height[row], 0] < centres[target, 0]))
        options = [choice[3:] for choice in sample.meta["choices"]]
        assert options["ABCD".index(sample.meta["answer"])] == f"row {row + 1}, column {col + 1}"
        for option in options:
            r, c = (int(n) for n in re.findall(r"\d+", option))
            assert 1 <= r <= rows
            assert 1 <= c <= cols


def test_exactly_one_option_of_a_non_entity_question_is_true():
    asked = {"is a real object": "real object", "is in the mirror": "mirror reflection",
             "is on the screen": "picture on a screen", "is a shadow": "shadow"}  # fmt: skip
    forms = Counter()
    for sample in samples("non_entity", 80):
        roles = [scene_of(sample).objects[i].role for i in sample.meta["objects"]]
        question = sample.turns[0].text.split("\n")[0]
        if question.startswith("Question: Is <Prompt0> a real object"):
            true = [choice[3:] == roles[0] for choice in sample.meta["choices"]]
            forms["identify"] += 1
        else:
            wanted = next(role for words, role in asked.items() if question.endswith(f"{words}?"))
            true = [roles[int(PROMPT.findall(c)[0])] == wanted for c in sample.meta["choices"]]
            forms["pick"] += 1
        assert true == [choice.startswith(sample.meta["answer"]) for choice in sample.meta["choices"]]
    assert min(forms.values()) > 20


def claims(sample: Sample) -> list[tuple[int, str, int]]:
    """What each option of a relation question claims, as (prompt, relation, prompt)."""
    question = sample.turns[0].text.split("\n")[0]
    options = [choice[3:] for choice in sample.meta["choices"]]
    if "Which statement" in question:
        return [(int(a), rel, int(b)) for a, rel, b in (STATEMENT.fullmatch(o).groups() for o in options)]
    numbers = [int(PROMPT.fullmatch(option)[1]) for option in options]
    active = re.search(r" is <Prompt(\d+)> pointing at\?$", question)
    if active:
        return [(int(active[1]), "pointing at", n) for n in numbers]
    relation, subject = re.search(r" is ([a-z ]+) <Prompt(\d+)>\?$", question).groups()
    return [(n, relation, int(subject)) for n in numbers]


def test_exactly_the_given_option_of_a_relation_question_is_true_on_the_masks():
    relations = Counter()
    for sample in samples("relation", 220):
        scene, objects = scene_of(sample), sample.meta["objects"]
        true = [holds(scene, objects[a], relation, objects[b]) for a, relation, b in claims(sample)]
        right = "ABCD".index(sample.meta["answer"])
        assert true == [i == right for i in range(len(true))], sample.turns
        relations[claims(sample)[right][1]] += 1
    assert set(relations) >= {"left of", "right of", "above", "below", "inside", "around", "in front of",
                              "behind", "connected to", "pointing at", "looking like"}  # fmt: skip


@pytest.mark.parametrize(
    "task", ["caption_simple", "caption_detailed", "relation_caption", "open_relation", "open_direction"]
)
def test_every_relation_stated_in_an_answer_is_true_on_the_masks(task):
    for sample in samples(task, 60):
        scene, objects = scene_of(sample), sample.meta["objects"]
        stated = sample.meta["facts"]["relations"]
        assert stated
        for a, relation, b in stated:
            assert holds(scene, objects[a], relation, objects[b]), sample.turns
            if task.startswith("open_"):
                assert sample.turns[1].text == relation
            else:
                assert f"<Prompt{a}> is {relation} <Prompt{b}>." in sample.turns[1].text
            if task == "open_direction":
                assert relation in SPATIAL


def test_the_detailed_caption_asks_in_the_words_of_gar_bench_and_describes_its_subject():
    for sample in samples("caption_detailed", 30):
        question = "Describe <Prompt0> in detail, including the relationship with <Prompt1>."
        assert sample.turns[0].text == question
        look = scene_of(sample).objects[sample.meta["objects"][0]].look
        described = f"<Prompt0> is a{'n' if look.color == 'orange' else ''} {look.words}. <Prompt0> is "
        assert sample.turns[1].text.startswith(described)
    assert samples("caption", 1)[0].turns[0].text == "Describe <Prompt0> in detail."


@pytest.mark.parametrize("task", SINGLE)
def test_letters_come_out_even_in_a_balanced_set(task):
    letters = Counter(sample.meta["answer"] for sample in samples(task, 40, balanced=True))
    assert letters == {"A": 10, "B": 10, "C": 10, "D": 10}


@pytest.mark.parametrize("task", CHOICE_TASKS)
@pytest.mark.parametrize("balanced", [False, True])
def test_no_letter_pays_off(task, balanced):
    drawn = samples(task, 200, balanced=balanced)
    expected = sum(sample.meta["chance"] for sample in drawn)
    for letter in "AB":
        hits = sum(sample.meta["answer"] == letter for sample in drawn)
        assert abs(hits - expected) < 3.5 * np.sqrt(200 * 0.25 * 0.75) + 2


def test_position_options_are_corners_of_a_rectangle_so_that_text_alone_tells_nothing():
    for sample in samples("position", 30):
        cells = {tuple(int(n) for n in re.findall(r"\d+", choice)) for choice in sample.meta["choices"]}
        rows, cols = {r for r, _ in cells}, {c for _, c in cells}
        assert (len(rows), len(cols)) == (2, 2)
        assert cells == {(r, c) for r in rows for c in cols}


def test_each_statement_about_two_regions_stands_beside_its_converse():
    checked = 0
    for sample in samples("relation", 120):
        if len(sample.regions) == 2:
            said = claims(sample)
            forms = {min((a, rel, b), (b, INVERSE[rel], a)) for a, rel, b in said}
            assert len(forms) == len(said) == 4
            for a, rel, b in said:
                assert min((b, rel, a), (a, INVERSE[rel], b)) in forms
            checked += 1
    assert checked > 20


def test_statements_about_three_regions_all_state_one_relation():
    for sample in samples("relation", 120):
        if "Which statement" in sample.turns[0].text and len(sample.regions) == 3:
            assert len({relation for _, relation, _ in claims(sample)}) == 1


def blind_guess(sample: Sample) -> int:
    """The best option for someone who sees the scene and the set of masks, but not their numbers."""
    scene, options = scene_of(sample), claims(sample)
    regions = sorted(sample.meta["objects"])
    votes = np.zeros(len(options))
    for assigned in permutations(regions):
        true = [scene.truth((assigned[a], rel, assigned[b])) for a, rel, b in options]
        if true.count(True) == 1 and None not in true:
            votes[true.index(True)] += 1
    best = votes == votes.max()
    # Among equals take the last one that fits, as any fixed rule is as good as another.
    return int(np.flatnonzero(best)[-1])


def test_a_blind_oracle_does_not_beat_the_blind_chance_of_relation_questions():
    drawn = [sample for sample in samples("relation", 300) if len(sample.regions) <= 5]
    hits = [blind_guess(sample) == "ABCD".index(sample.meta["answer"]) for sample in drawn]
    allowed = [sample.meta["blind_chance"] for sample in drawn]
    slack = 3 * np.sqrt(sum(p * (1 - p) for p in allowed))
    assert sum(hits) <= sum(allowed) + slack
    assert sum(hits) >= sum(allowed) - slack
    assert np.mean(allowed) < 0.55


@pytest.mark.parametrize("task", ["relation", "non_entity"])
def test_a_question_needs_identity_exactly_where_swapping_prompts_changes_the_answer(task):
    for sample in samples(task, 60):
        assert sample.meta["needs_identity"] == (len(sample.regions) > 1)
        assert sample.meta["needs_identity"] == (sample.meta["blind_chance"] < 1)
        assert sample.meta["blind_chance"] >= sample.meta["chance"] or len(sample.regions) > 2


def test_a_swap_of_two_prompts_turns_another_option_true():
    checked = 0
    for sample in samples("relation", 120):
        if len(sample.regions) == 2:
            scene, (a, b) = scene_of(sample), sample.meta["objects"]
            swapped = [holds(scene, (b, a)[x], rel, (b, a)[y]) for x, rel, y in claims(sample)]
            assert swapped.count(True) == 1
            assert swapped.index(True) != "ABCD".index(sample.meta["answer"])
            assert sample.meta["blind_chance"] == 0.5
            checked += 1
    assert checked > 20
