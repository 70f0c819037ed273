from __future__ import annotations

import pytest

from gartk.data.world.dataset import RegionWorldDataset
from gartk.data.world.scoring import score, stated_relations
from gartk.data.world.tasks.catalogue import TASKS
from gartk.errors import DataError

CHOICE = {"kind": "choice", "answer": "B", "choices": ["A. red", "B. blue"]}
PAIR = {
    "kind": "caption",
    "task": "caption_detailed",
    "facts": {
        "prompts": {
            "0": {"color": "red", "shape": "ring", "texture": "plain", "material": "wool"},
            "1": {"color": "blue", "shape": "star", "texture": "dotted", "material": "glass"},
        },
        "relation": [0, "in front of", 1],
        "relations": [[0, "in front of", 1]],
        "also_true": ["in front of", "left of"],
        "described": 0,
    },
}


@pytest.mark.parametrize("task", TASKS)
def test_the_right_answer_scores_full_marks(task):
    data = RegionWorldDataset("test", length=25, size=(96, 96), tasks=[task])
    for i in range(25):
        sample = data[i]
        assert set(score(sample.turns[1].text, sample.meta).values()) == {1.0}


@pytest.mark.parametrize(
    ("said", "strict", "lenient"),
    [("B", 1, 1), ("b", 1, 1), ("B.", 0, 1), ("(B)", 0, 1), ("B. blue", 0, 1), ("blue", 0, 1), ("A", 0, 0),
     ("", 0, 0), ("A. blue", 0, 0), ("Blue and red", 0, 0)],
)  # fmt: skip
def test_a_choice_is_strict_and_a_lenient_figure_stands_beside(said, strict, lenient):
    assert score(said, CHOICE) == {"correct": strict, "lenient": lenient}


@pytest.mark.parametrize(
    ("said", "strict", "lenient"),
    [("blue", 1, 1), (" Blue. ", 1, 1), ("B", 0, 1), ("B. blue", 0, 1), ("red", 0, 0)],
)
def test_where_the_text_of_an_option_is_asked_for_the_text_is_what_counts(said, strict, lenient):
    assert score(said, {**CHOICE, "answer_form": "text"}) == {"correct": strict, "lenient": lenient}


@pytest.mark.parametrize(
    ("said", "strict", "lenient"),
    [("<Prompt0> left of <Prompt1>\nblue", 1, 1), ("blue", 1, 1), ("a\nb\n Blue.", 1, 1), ("a\nB", 0, 1),
     ("blue\nred", 0, 0), ("is blue", 0, 0), ("blue\n", 0, 0), ("", 0, 0)],
)  # fmt: skip
def test_the_last_line_of_a_reasoned_choice_is_what_counts(said, strict, lenient):
    assert score(said, {**CHOICE, "answer_form": "reasoned"}) == {"correct": strict, "lenient": lenient}


def test_an_open_answer_is_equal_after_normalising():
    meta = {"kind": "open", "answer": "row 2, column 3"}
    assert score(" Row 2,  column 3. ", meta)["correct"] == 1
    assert score("row 3, column 2", meta)["correct"] == 0


@pytest.mark.parametrize(
    ("said", "relation", "true"),
    [
        ("<Prompt0> is in front of <Prompt1>.", 1, 1),
        ("<Prompt1> is behind <Prompt0>.", 1, 1),
        ("<Prompt0> is left of <Prompt1>.", 0, 1),
        ("<Prompt1> is right of <Prompt0>.", 0, 1),
        ("<Prompt1> is in front of <Prompt0>.", 0, 0),
        ("<Prompt0> is in front of <Prompt1>. <Prompt0> is behind <Prompt1>.", 0, 0),
        ("<Prompt0> and <Prompt1>.", 0, 0),
        ("<Prompt0> is in front of <Prompt2>.", 0, 0),
    ],
)
def test_a_relation_counts_in_either_direction_and_not_when_contradicted(said, relation, true):
    scores = score(said, PAIR)
    assert (scores["relation"], scores["relation_true"]) == (relation, true)


def test_attributes_are_those_of_the_described_prompt():
    right = score("<Prompt0> is a red plain wool ring. <Prompt0> is in front of <Prompt1>.", PAIR)
    assert right["correct"] == right["attributes"] == 1
    swapped = score("<Prompt0> is a blue dotted glass star. <Prompt0> is in front of <Prompt1>.", PAIR)
    assert swapped["attributes"] == 0
    assert swapped["relation"] == 1
    assert swapped["correct"] == 0
    one_wrong = score("<Prompt0> is a red striped wool ring.", PAIR)
    assert one_wrong["attributes"] == 0.75
    assert one_wrong["texture"] == 0
    assert score("<Prompt1> is a red plain wool ring.", PAIR)["attributes"] == 0
    assert score("A red plain wool ring.", PAIR)["attributes"] == 1


def test_naming_every_color_earns_nothing():
    hedge = "<Prompt0> is a red blue green plain striped wool ring star."
    scores = score(hedge, PAIR)
    assert (scores["color"], scores["texture"], scores["shape"], scores["material"]) == (0, 0, 0, 1)


def test_a_longer_relation_is_not_read_as_a_shorter_one():
    said = "<Prompt0> is pointed at by <Prompt12>. <Prompt3> is pointing at <Prompt4>."
    assert stated_relations(said) == [(0, "pointed at by", 12), (3, "pointing at", 4)]


def test_a_meta_of_something_else_is_refused():
    with pytest.raises(DataError, match="kind is None"):
        score("A", {})
