"""DLC-Bench's replies are read and averaged as its script does, and what it cannot read is counted."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from gartk.errors import DataError
from gartk.evaluation.benchmarks import dlc_bench
from gartk.evaluation.benchmarks.dlc_bench import parse_choice
from gartk.evaluation.item import JUDGE
from tests.evaluation.benches import bench, read, record_of, report

YES_NO = ["Yes", "No"]
WING = ["The wing is not mentioned.", "The wing is mentioned.", "The wing is mentioned. It is grey."]
REGION: dict[str, Any] = {
    "pred": "A bird.",
    "details_positives": [
        {
            "question": "Which?",
            "choices": [["Not said.", 0], ["Wrong.", -1], ["Right.", 1]],
            "pred_answer": "C. Right.",
        },
        {"question": "Which?", "choices": [["Half.", 0.5], ["No wing.", 0]], "pred_answer": "A. Half."},
    ],
    "details_negatives": [
        {
            "question": "Boat?",
            "choices": [["Absent.", 1], ["Present.", -1]],
            "pred_answer": "B.",
        }
    ],
    "details_recognition": [
        {"question": "Bird?", "choices": [["Yes", "correct"], ["No", "incorrect"]], "pred_answer": "A. Yes"}
    ],
    "recognition_result": True,
}


def write(folder: Path, value: object, name: str = "eval.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def region(**replies: Any) -> dict[str, Any]:
    """A region with other replies: recognition, positive (a list of two) or negative."""
    record = copy.deepcopy(REGION)
    for name, part in (("recognition", "recognition"), ("positive", "positives"), ("negative", "negatives")):
        if name in replies:
            said = replies[name] if isinstance(replies[name], list) else [replies[name]]
            for question, reply in zip(record[f"details_{part}"], said, strict=True):
                question["pred_answer"] = reply
    return record


def means(folder: Path, regions: object) -> dict[str, Any]:
    return report("dlc", read("dlc", [write(folder, regions)]))


def values(variant: dict[str, Any]) -> tuple[float | None, float | None, float | None]:
    return tuple(variant[name]["value"] for name in ("Pos", "Neg", "Avg"))  # type: ignore[return-value]


@pytest.fixture
def data(shared_dir: Path) -> Path:
    folder = shared_dir / "data" / "dlc_bench"
    if not (folder / "outputs" / "gar_1b").is_dir():
        pytest.skip(f"no recorded outputs in {folder}")
    return folder


@pytest.mark.parametrize(
    ("name", "published", "ungated", "recognised"),
    [
        ("gar_1b_eval.json", (48.891667, 87.0, 67.945833), (50.3, 89.8), 95),
        ("gar_1b_eval_gpt.json", (65.791667, 87.6, 76.695833), (67.9, 91.0), 96),
    ],
)
def test_recorded_replies_give_the_published_means(
    data: Path, name: str, published: tuple[float, ...], ungated: tuple[float, ...], recognised: int
) -> None:
    found = report("dlc", read("dlc", [data / "outputs" / "gar_1b" / name]))
    assert values(found["variants"]["published"]) == pytest.approx(published, abs=1e-6)
    assert found["variants"]["fixed"] == found["variants"]["published"]
    assert values(found["variants"]["ungated"])[:2] == pytest.approx(ungated, abs=0.05)
    assert (found["recognised"]["hits"], found["recognised"]["total"], found["conflicts"]) == (
        recognised,
        100,
        0,
    )


@pytest.mark.parametrize("name", ["gar_1b_eval.json", "gar_1b_eval_gpt.json"])
def test_the_parser_agrees_with_every_recorded_choice(data: Path, name: str) -> None:
    regions = json.loads((data / "outputs" / "gar_1b" / name).read_text(encoding="utf-8"))
    count = 0
    for record in (record for record in regions.values() if isinstance(record, dict)):
        for question in (q for part in dlc_bench.PARTS for q in record[part]):
            texts = [choice[0] for choice in question["choices"]]
            assert parse_choice(question["pred_answer"], texts) == question["pred_index"]
            count += 1
    assert count == 992


@pytest.mark.parametrize("name", ["gar_1b_eval.json", "gar_1b_eval_gpt.json"])
def test_every_recorded_region_comes_back_as_it_was(data: Path, name: str) -> None:
    path = data / "outputs" / "gar_1b" / name
    regions = json.loads(path.read_text(encoding="utf-8"))
    for item in read("dlc", [path]):
        assert record_of(item) == regions[item.id]


def test_questions_and_regions_without_a_reply_are_missing_with_the_annotations(
    data: Path, tmp_path: Path
) -> None:
    regions = json.loads((data / "outputs" / "gar_1b" / "gar_1b_eval.json").read_text(encoding="utf-8"))
    names = [name for name, record in regions.items() if isinstance(record, dict)]
    del regions[names[0]]
    regions[names[1]]["details_negatives"].pop()
    annotated = bench("dlc").read_annotations([data / "qa.json"])
    items = bench("dlc").complete(read("dlc", [write(tmp_path, regions)]), annotated)
    for variant in report("dlc", items)["variants"].values():
        scored = {name: (mean["scored"], mean["total"]) for name, mean in variant.items()}
        assert scored == {"Pos": (99, 100), "Neg": (98, 100), "Avg": (98, 100)}


@pytest.mark.parametrize(
    ("reply", "choices", "number"),
    [
        ("A", YES_NO, 0),
        ("b.", YES_NO, 1),
        ("B. No", YES_NO, 1),
        (" yes ", YES_NO, 0),
        ("Yes, it is", YES_NO, 0),
        ("yes, I know", YES_NO, 1),
        ("Not sure", YES_NO, 1),
        ("ye", YES_NO, 0),
        ("A\nbecause", YES_NO, 0),
        ("", YES_NO, None),
        ("  ", YES_NO, None),
        ("C. Maybe", YES_NO, None),
        ("C", YES_NO, None),
        ("e", YES_NO, None),
        ("maybe", YES_NO, None),
        ("C\nMaybe", YES_NO, None),
        ("I say: the wing is mentioned. It is grey.", WING, 2),
        ("The wing is not mentioned. The wing is mentioned.", WING, 1),
        ("wing is", WING, 2),
        ("a. The wing is hidden", WING, 0),
    ],
)
def test_a_reply_is_read_by_the_published_rule(reply: str, choices: list[str], number: int | None) -> None:
    assert parse_choice(reply, choices) == number


def test_a_region_is_the_mean_of_its_questions(tmp_path: Path) -> None:
    found = means(tmp_path, {"1": REGION, "2": region(positive=["B", "B"], negative="A"), "avg_pos": 0.4})
    assert values(found["variants"]["published"]) == pytest.approx((12.5, 0.0, 6.25))


def test_a_region_that_is_not_recognised_gains_nothing(tmp_path: Path) -> None:
    found = means(tmp_path, {"1": region(recognition="B. No")})
    assert values(found["variants"]["published"]) == pytest.approx((0.0, -100.0, -50.0))
    assert values(found["variants"]["ungated"]) == pytest.approx((75.0, -100.0, -12.5))
    assert found["conflicts"] == 1


def test_an_unreadable_reply_scores_zero_as_published_and_is_missing_as_fixed(tmp_path: Path) -> None:
    for reply in ("", "Z?", "D. Else"):
        variants = means(tmp_path, {"1": region(positive=[reply, "A. Half."])})["variants"]
        assert values(variants["published"]) == pytest.approx((25.0, -100.0, -37.5))
        assert values(variants["fixed"]) == (None, -100.0, None)
        assert variants["fixed"]["Pos"]["missing"] == 1


def test_an_unreadable_recognition_closes_the_gate_as_published_and_is_missing_as_fixed(
    tmp_path: Path,
) -> None:
    variants = means(tmp_path, {"1": region(recognition="maybe")})["variants"]
    assert values(variants["published"]) == pytest.approx((0.0, -100.0, -50.0))
    assert values(variants["fixed"]) == (None, None, None)


@pytest.mark.parametrize("gone", ["reply", "pred", "recognition"])
def test_what_is_not_there_is_missing_in_every_variant(tmp_path: Path, gone: str) -> None:
    record = region(recognition=None) if gone == "recognition" else region(positive=[None, "A"])
    if gone == "pred":
        record = {key: value for key, value in REGION.items() if key != "pred"}
    for name, variant in means(tmp_path, {"1": record, "2": REGION})["variants"].items():
        if not (gone == "recognition" and name == "ungated"):
            assert (variant["Pos"]["scored"], variant["Pos"]["total"], variant["Pos"]["missing"]) == (1, 2, 1)
            assert variant["Pos"]["value"] == pytest.approx(75.0)


def test_shuffled_keys_change_nothing_and_the_region_comes_back(tmp_path: Path) -> None:
    turned = {key: REGION[key] for key in reversed(REGION)}
    (item,) = read("dlc", [write(tmp_path, {"1": turned})])
    assert item.replies[JUDGE] == ["A. Yes", "C. Right.", "A. Half.", "B."]
    assert record_of(item) == REGION


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"details_positives": None}, "'details_positives' is missing"),
        ({"details_negatives": 3}, "'details_negatives' must be a list"),
        ({"details_negatives": [3]}, "question 0 that is no object"),
        ({"details_negatives": [{}]}, "'choices' is missing"),
        ({"details_negatives": [{"choices": []}]}, "'choices' is empty"),
        ({"details_negatives": [{"choices": [["a", "b"]]}]}, "a score of -1 to 1"),
        ({"details_negatives": [{"choices": [["a", 2]]}]}, "a score of -1 to 1"),
        ({"details_negatives": [{"choices": [["", 1]]}]}, "pairs of text and score"),
        ({"details_recognition": [{"choices": [["Yes", 1]]}]}, "'correct' or 'incorrect'"),
        ({"details_negatives": [{"choices": [["a", 1]], "pred_answer": 1}]}, "'pred_answer' must be a text"),
        ({"pred": 4}, "'pred' must be a text"),
    ],
)
def test_a_malformed_region_is_named(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=f"eval.json, region '7'.*{says}"):
        read("dlc", [write(tmp_path, {"7": {**REGION, **change}})])


@pytest.mark.parametrize("value", [[], {"1": "a caption"}, {"avg_pos": "x"}, 3])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(DataError, match="must (hold|be) an object"):
        read("dlc", [write(tmp_path, value)])
