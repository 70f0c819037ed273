"""GAR-Bench is scored as published, and beside it as it should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gartk.errors import DataError
from tests.evaluation.benches import read, record_of, report

VQA_HITS = {
    "Color": (34, 69),
    "Shape": (32, 64),
    "Texture": (17, 29),
    "Material": (14, 36),
    "Position": (13, 64),
    "Non-Entity": (36, 61),
    "Relation": (57, 101),
}


def vqa(image: str, said: str | None, answer: str = "A", task: str = "color") -> dict[str, Any]:
    record = {"image": image, "type": task, "answer": answer, "choices": ["A. A dog", "B. red", "C. blue"]}
    return record if said is None else {**record, "model_output": said}


def simple(
    image: str, verdict: str | None, said: str | None = "<Prompt1> is beside <Prompt0>."
) -> dict[str, Any]:
    record = {
        "image": image,
        "question": "What?",
        "answer": "<Prompt1> is beside <Prompt0>.",
        "model_output": said,
    }
    return record if verdict is None else {**record, "eval_result": verdict}


def detailed(image: str, verdict: str) -> dict[str, Any]:
    names = {"subject_name": "person", "object_name": "board", "predicate_name": "on"}
    return {"image": image, **names, "model_output": "A person.", "eval_result": verdict}


def write(folder: Path, records: object) -> Path:
    path = folder / "records.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def counts(rate: dict[str, Any]) -> tuple[int, int, int]:
    return rate["hits"], rate["total"], rate["missing"]


@pytest.fixture
def outputs(shared_dir: Path) -> Path:
    folder = shared_dir / "data" / "gar_bench" / "outputs" / "gar_1b"
    if not folder.is_dir():
        pytest.skip(f"no recorded outputs in {folder}")
    return folder


def test_recorded_letters_give_the_published_hits(outputs: Path) -> None:
    scores = report("gar-vqa", read("gar-vqa", [outputs / "gar_1b_vqa.json"]))
    for variant in ("strict", "lenient"):
        found = scores["variants"][variant]
        assert found["overall"]["text"] == "203/424 = 47.9 %"
        assert {k: (v["hits"], v["total"]) for k, v in found["tasks"].items()} == VQA_HITS
        assert list(found["tasks"]) == list(VQA_HITS)
    assert scores["letters"]["A"] == {"right": 90, "strict": 210, "lenient": 210}


def test_recorded_verdicts_give_the_published_hits(outputs: Path) -> None:
    files = [outputs / "gar_1b_simple_eval.json", outputs / "gar_1b_detailed_eval.json"]
    for rates in report("gar-cap", read("gar-cap", files))["variants"].values():
        assert counts(rates["simple"]) == (54, 97, 0)
        assert counts(rates["detailed"]) == (71, 107, 0)
        assert counts(rates["overall"]) == (125, 204, 0)
        assert counts(rates["overall_214"]) == (125, 214, 0)


@pytest.mark.parametrize("name", ["vqa", "simple", "detailed", "simple_eval", "detailed_eval"])
def test_every_recorded_file_comes_back_as_it_was(outputs: Path, name: str) -> None:
    path = outputs / f"gar_1b_{name}.json"
    kind = "gar-vqa" if name == "vqa" else "gar-cap"
    assert [record_of(i) for i in read(kind, [path])] == json.loads(path.read_text(encoding="utf-8"))


def test_recorded_letters_in_other_words_keep_their_lenient_score(outputs: Path, tmp_path: Path) -> None:
    records = json.loads((outputs / "gar_1b_vqa.json").read_text(encoding="utf-8"))
    forms = ("({})", "{}.", "Answer: {}", "The answer is {}", "**{}**")
    for number, record in enumerate(records):
        letter = record["model_output"]
        text = next(c for c in record["choices"] if c.startswith(letter))
        record["model_output"] = (*(form.format(letter) for form in forms), text)[number % 6]
    shuffled = [dict(reversed(record.items())) for record in reversed(records)]
    scores = report("gar-vqa", read("gar-vqa", [write(tmp_path, shuffled)]))["variants"]
    assert counts(scores["strict"]["overall"]) == (0, 424, 0)
    assert counts(scores["lenient"]["overall"]) == (203, 424, 0)


def test_only_the_bare_letter_is_a_strict_hit_and_no_reply_is_missing(tmp_path: Path) -> None:
    said = ["A", "a", "(A)", "a.", "A. A dog", "", "I do not know", None, "B"]
    records = [vqa(f"{number}.png", text) for number, text in enumerate(said)]
    scores = report("gar-vqa", read("gar-vqa", [write(tmp_path, records)]))["variants"]
    assert counts(scores["strict"]["overall"]) == (2, 9, 1)
    assert counts(scores["lenient"]["overall"]) == (5, 9, 3)


def test_a_verdict_must_be_exactly_true_or_else_be_read_tolerantly(tmp_path: Path) -> None:
    verdicts = ["True", "true.", " False", "yes", "", None]
    records = [simple(f"{number}.png", verdict) for number, verdict in enumerate(verdicts)]
    records.append(simple("x.png", "True", said=None))
    scores = report("gar-cap", read("gar-cap", [write(tmp_path, records)]))["variants"]
    assert counts(scores["published"]["simple"]) == (1, 7, 2)
    assert counts(scores["tolerant"]["simple"]) == (2, 7, 4)
    assert "overall" not in scores["published"]


def test_both_captions_are_summed_over_what_is_there_and_over_the_papers_total(tmp_path: Path) -> None:
    path = write(tmp_path, [simple("0.png", "True"), detailed("1.png", "False"), detailed("2.png", "True")])
    rates = report("gar-cap", read("gar-cap", [path]))["variants"]["published"]
    assert counts(rates["overall"]) == (2, 3, 0)
    assert counts(rates["overall_214"]) == (2, 214, 0)


def test_the_other_kind_of_caption_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="record of the detailed captions, not of the simple ones"):
        read("gar-cap-simple", [write(tmp_path, [detailed("1.png", "True")])])
