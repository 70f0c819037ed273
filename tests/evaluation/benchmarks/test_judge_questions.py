"""Questions to judges carry what the published instructions ask for, and their version."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gartk.errors import ConfigError, DataError
from gartk.evaluation.benchmarks.base import benchmark_names, build_benchmark
from gartk.evaluation.benchmarks.dlc_bench import class_name
from gartk.evaluation.benchmarks.ferret_bench import without_boxes
from gartk.evaluation.item import Item
from gartk.evaluation.pictures import Pictures, pictures_of
from tests.evaluation.benches import questions, read, to_judge
from tests.evaluation.judges.cases import (
    ALL,
    CAP_DETAILED,
    CAP_SIMPLE,
    DLC,
    FERRET,
    MDVP,
    VIDEO,
    write_images,
)

# What must be said, whatever the sentence: the content of the published instructions.
CONTENT = {
    "gar_cap_simple/1": ("<Prompt0> is on <Prompt1>.", "on top of", "same meaning", "True or False"),
    "gar_cap_detailed/1": (
        "person", "skateboard", "beside", "mentioned", "relation", "True or False", "both",
    ),
    "dlc_image/1": ("A grey bird with wings.", "exactly one option", "closest", "without reasons", "A. "),
    "dlc_text/1": ("A grey bird with wings.", "exactly one option", "closest", "without reasons", "A. "),
    "ferret_refer_desc/1": (
        "Object 0 : sign", "What is it for?", "A sign on a house.", "1 to 10", "first line", "right place",
        "helpful", "relevant", "accurate", "detailed", "order",
    ),
    "mdvp/1": ("page of a web site", "1 to 10", "first line", "helpful", "relevant", "accurate", "detailed"),
    "videorefer_d/1": (
        "A cub plays.", "A cub sleeps.", "0 (worst) to 5", "1. Subject Correspondence",
        "2. Appearance Description", "3. Temporal Description", "4. Hallucination Detection",
    ),
}  # fmt: skip


def asked(item: Item, pictures: Pictures | None) -> list[tuple[str, str]]:
    (shown,) = (one for one in to_judge([item])[-1:])
    return [(question.prompt, question.system + question.text) for question in questions(shown, pictures)]


@pytest.mark.parametrize("item", ALL, ids=lambda item: f"{item.benchmark} {item.task}")
def test_a_question_says_what_the_published_one_says(tmp_path: Path, item: Item) -> None:
    for version, text in asked(item, pictures_of(item, write_images(tmp_path))):
        missing = [words for words in CONTENT[version] if words not in text]
        assert missing == []


def test_the_judge_of_captions_sees_the_image_and_two_crops_for_each_region(tmp_path: Path) -> None:
    (question,) = questions(CAP_SIMPLE, pictures_of(CAP_SIMPLE, write_images(tmp_path)))
    texts = [part for part in question.parts if isinstance(part, str)]
    shapes = [part.ndim for part in question.parts if not isinstance(part, str)]
    assert shapes == [3, 3, 2, 3, 2]
    assert [text.partition(".")[0] for text in texts[:-1]] == ["1", "2", "3", "4", "5"]
    assert ["<Prompt0>" in text for text in texts[1:-1]] == [True, True, False, False]


def test_the_judge_of_dlc_sees_crop_and_mask_alone_and_hears_the_class_first(tmp_path: Path) -> None:
    found = questions(DLC, pictures_of(DLC, write_images(tmp_path)))
    assert [question.prompt for question in found] == ["dlc_image/1"] * 3
    for question in found:
        assert [getattr(part, "ndim", 0) for part in question.parts] == [3, 2, 0]
    assert "wild bird" in found[0].text
    assert "A. Yes\nB. No" in found[0].text
    assert "The boats are mentioned" in found[2].text


def test_a_judge_without_eyes_is_asked_another_version_of_the_question() -> None:
    assert [q.prompt for q in questions(CAP_DETAILED)] == ["gar_cap_detailed_text/1"]
    assert {q.prompt for q in questions(DLC)} == {"dlc_text/1"}
    assert all(isinstance(part, str) for q in questions(DLC) for part in q.parts)
    with pytest.raises(DataError, match="the judge needs the images"):
        questions(to_judge([MDVP])[-1])


def test_benchmarks_whose_judge_reads_texts_get_no_pictures(tmp_path: Path) -> None:
    pictures = pictures_of(CAP_SIMPLE, write_images(tmp_path))
    for item in (FERRET, VIDEO):
        assert questions(item, pictures) == questions(item)


def test_bracketed_spans_are_taken_out_of_answers_as_published() -> None:
    assert without_boxes("A sign [0.1, 0.2] on [x] it[y] [open") == "A sign on it[y] [open"
    assert "A sign." in questions(FERRET)[0].text


def test_an_item_that_lacks_what_is_asked_about_is_refused() -> None:
    with pytest.raises(DataError, match="region '17' has no class name"):
        questions(replace(DLC, reference=""))
    with pytest.raises(DataError, match="no written context"):
        questions(replace(FERRET, extra={}))
    with pytest.raises(ConfigError, match="gar-vqa is scored without a judge"):
        questions(Item("gar-vqa", "1"))


@pytest.mark.parametrize("name", ["gar_1b_eval.json", "gar_1b_eval_gpt.json"])
def test_the_class_of_a_recorded_region_is_the_one_that_its_judge_was_asked_about(
    shared_dir: Path, name: str
) -> None:
    folder = shared_dir / "data" / "dlc_bench"
    if not (folder / "outputs" / "gar_1b" / name).is_file():
        pytest.skip(f"no recorded outputs in {folder}")
    names = json.loads((folder / "class_names.json").read_text(encoding="utf-8"))
    items = read("dlc", [folder / "outputs" / "gar_1b" / name])
    assert len(items) == 100
    assert [i.id for i in items if class_name(i).lower() != names[i.id].lower()] == []


def test_every_judged_benchmark_has_its_questions() -> None:
    judged = {name for name in benchmark_names() if build_benchmark(name).is_judged}
    assert {item.benchmark for item in ALL} == judged - {"gar-cap-simple", "gar-cap-detailed"}


def test_text_of_models_stays_text() -> None:
    (question,) = questions(replace(CAP_SIMPLE, prediction="{marks} {0} %s"))
    assert "{marks} {0} %s" in question.text
