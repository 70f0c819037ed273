"""The wording that models are asked with is the published one, letter by letter."""

from __future__ import annotations

from typing import Any

import pytest

from gartk.errors import DataError
from gartk.evaluation.benchmarks.multiple_choice import lettered_question
from gartk.evaluation.benchmarks.video_refer import name_regions
from gartk.evaluation.item import Item, asked
from tests.evaluation.benches import build_prompt, with_prompt

LETTER = "Answer with the option's letter from the given choices directly."


def item(benchmark: str, question: str = "", task: str = "", **extra: Any) -> Item:
    return Item(benchmark, "1", task, question=question, extra=extra)


def test_gar_bench_asks_with_its_options_and_for_the_letter() -> None:
    choices = ["A. <Prompt0>", "B. <Prompt1>"]
    assert build_prompt(item("gar-vqa", "Which is it?", choices=choices)) == (
        "Question: Which is it?\nOptions:\nA. <Prompt0>\nB. <Prompt1>\n"
        "Answer with the correct option's letter directly."
    )


def test_gar_bench_captions_ask_the_question_or_for_a_detailed_description() -> None:
    question = "What is the spatial relationship between <Prompt1> and <Prompt0>?"
    assert build_prompt(item("gar-cap", question, "simple")) == question
    assert build_prompt(item("gar-cap", "", "detailed")) == (
        "Describe <Prompt0> in detail, including the relationship with <Prompt1>."
    )


@pytest.mark.parametrize("benchmark", ["dlc", "ferret", "mdvp"])
def test_captions_of_one_region_ask_for_a_description_whatever_the_question(benchmark: str) -> None:
    assert build_prompt(item(benchmark, "What is it for?")) == "Describe this masked region in detail."


@pytest.mark.parametrize("benchmark", ["lvis", "paco"])
def test_open_class_asks_for_one_word_or_phrase(benchmark: str) -> None:
    assert (
        build_prompt(item(benchmark)) == "What is the category of <Prompt0>? Using only one word or phrase."
    )


def test_video_descriptions_ask_for_the_highlighted_object() -> None:
    assert build_prompt(item("videorefer-d")) == (
        "Please give a detailed description of the highlighted object [<Prompt0>] in the video."
    )


def test_video_questions_name_their_regions_and_options_in_one_line() -> None:
    options = ["(A) A helmet", "(B) A hat"]
    assert build_prompt(item("videorefer-q", "What is <object3><region> not wearing?", options=options)) == (
        f"What is <object3>[<Prompt0>] not wearing? (A) A helmet (B) A hat. {LETTER}"
    )


def test_regions_of_a_question_are_numbered_in_order() -> None:
    assert name_regions("Is <region> left of [<region>]?") == "Is [<Prompt0>] left of [<Prompt1>]?"
    assert name_regions("none") == "none"


@pytest.mark.parametrize(
    ("benchmark", "question", "extra"),
    [
        ("vstar", f"What colour is it?\n(A) red\n(B) dark blue\n{LETTER}", {}),
        ("vstar", "What colour is it? (A) red (B) dark blue", {}),
        ("mmvp", "What colour is it?", {"Options": "(a) red (b) dark blue"}),
    ],
)
def test_vstar_and_mmvp_put_options_on_lines(benchmark: str, question: str, extra: dict[str, str]) -> None:
    assert build_prompt(item(benchmark, question, **extra)) == (
        f"What colour is it?\nA. red\nB. dark blue\n{LETTER}"
    )


def test_mmstar_asks_as_it_stands_without_the_full_stop() -> None:
    question = "Which one?\nOptions: A: x, B: y"
    assert build_prompt(item("mmstar", question)) == f"{question}\n{LETTER[:-1]}"


def test_realworldqa_asks_as_it_stands() -> None:
    question = "How many?\n\nPlease answer directly with a single word or number."
    assert build_prompt(item("realworldqa", question)) == question


def test_a_prompt_is_built_once_and_stays_with_the_item() -> None:
    built = with_prompt(item("dlc"))
    assert built.extra["prompt"] == asked(built) == build_prompt(item("dlc"))
    assert asked(item("dlc", prompt="as recorded")) == "as recorded"


def test_a_question_that_is_not_there_and_an_unknown_benchmark_are_errors() -> None:
    with pytest.raises(DataError, match="vstar item 1: it has no question"):
        build_prompt(item("vstar", " "))
    with pytest.raises(DataError, match="dlc item 1: it has no prompt"):
        asked(item("dlc"))


def test_options_in_brackets_within_a_sentence_stay() -> None:
    assert lettered_question("Is A. Smith here?", ["yes", "no"]) == "Is A. Smith here?\nA. yes\nB. no"
