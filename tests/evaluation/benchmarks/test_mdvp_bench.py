"""MDVP-Bench: both pairings of answers, and the columns from six phases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gartk.errors import DataError
from gartk.evaluation.benchmarks import mdvp_bench
from tests.evaluation.benches import bench, read, record_of, report


def write(folder: Path, records: list[dict[str, Any]], name: str = "records.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def caption(phase: str, image: str, said: str | None, right: str) -> dict[str, Any]:
    record = {"image_path": f"data/{phase}_detailed_caption/images/{image}", "gt": right}
    return record if said is None else {**record, "caption": said}


def review(phase: str, number: int, content: str, **more: Any) -> dict[str, Any]:
    category = f"{phase}_detailed_caption_box"
    return {"question_id": number, "category": category, "content": content, "answer2": "It is.", **more}


CAPTIONS = [
    caption("android", "a.png", "a1", "A1"),
    caption("android", "a.png", "a2", "A2"),
    caption("android", "b.png", "b1", "B1"),
    caption("web", "c.png", "c1", "C1"),
    caption("web", "c.png", None, "C2"),
]


def test_the_recorded_captions_show_the_published_pairing_to_be_wrong(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "mdvp_bench"
    if not (folder / "outputs").is_dir():
        pytest.skip(f"no recorded captions in {folder}")
    path = folder / "outputs" / "gar_1b" / "gar_1b.json"
    captions = read("mdvp", [path])
    assert [record_of(i) for i in captions] == json.loads(path.read_text(encoding="utf-8"))
    items = bench("mdvp").complete(captions, read("mdvp", [folder / "mdvp_caption_mask.json"]))
    assert items == captions
    found = report("mdvp", items)
    assert found["same_image"]["published"] == {
        phase: {"same": 1 if phase == "android" else 0, "pairs": 10} for phase in mdvp_bench.PHASES
    }
    assert all(counts == {"same": 10, "pairs": 10} for counts in found["same_image"]["fixed"].values())
    questions = json.loads(
        (folder / "questions" / "web_detailed_caption_box.json").read_text(encoding="utf-8")
    )
    pairs = [pair for pair in mdvp_bench.pair_answers(items, "fixed") if pair.phase == "web"]
    assert [pair.reference.strip() for pair in pairs] == [q["gt_answers"].strip() for q in questions]


def test_pairs_are_built_as_published_and_fixed(tmp_path: Path) -> None:
    items = read("mdvp", [write(tmp_path, CAPTIONS)])
    fixed = [
        (p.phase, p.question_id, p.reference, p.prediction) for p in mdvp_bench.pair_answers(items, "fixed")
    ]
    assert fixed == [
        ("android", 1, "<Region 1>: A1\n<Region 2>: A2", "<Region 1>: a1\n<Region 2>: a2"),
        ("android", 2, "<Region 1>: B1", "<Region 1>: b1"),
        ("web", 1, "<Region 1>: C1\n<Region 2>: C2", None),
    ]
    published = [(p.phase, p.question_id, p.prediction) for p in mdvp_bench.pair_answers(items, "published")]
    assert published == [("android", 1, "a1"), ("android", 2, "a2"), ("web", 1, "a1")]


def test_reviews_give_the_ratio_of_each_phase_and_the_mean_of_each_column(tmp_path: Path) -> None:
    records = [review("android", 1, "2 4"), review("android", 2, "4 2"), review("web", 1, "2 1")]
    variants = report("mdvp", read("mdvp", [write(tmp_path, records)]))["variants"]
    found = variants["published pairing, published replies"]
    assert found["phases"]["android"]["value"] == pytest.approx(100, abs=1e-3)
    assert found["phases"]["web"]["value"] == pytest.approx(50, abs=1e-3)
    assert found["columns"]["Screenshot"]["value"] == pytest.approx(75, abs=1e-3)
    assert found["columns"]["OCR"]["value"] is None
    assert variants["fixed pairing, published replies"]["columns"]["Screenshot"]["value"] is None


def test_an_unreadable_review_and_a_pair_without_one_are_not_hidden(tmp_path: Path) -> None:
    records = [
        *CAPTIONS,
        review("android", 1, "2 4", pairing="fixed"),
        review("web", 1, "?", pairing="fixed"),
    ]
    variants = report("mdvp", read("mdvp", [write(tmp_path, records)]))["variants"]
    published, fixed = (
        variants[f"fixed pairing, {rule} replies"]["phases"] for rule in ("published", "fixed")
    )
    assert (fixed["android"]["scored"], fixed["android"]["missing"]) == (1, 1)
    assert (published["web"]["scored"], published["web"]["model"]) == (1, -1.0)
    assert (fixed["web"]["scored"], fixed["web"]["total"]) == (0, 1)
    assert fixed["web"]["value"] is None
    assert fixed["android"]["value"] == pytest.approx(200, abs=1e-3)


def test_captions_that_were_not_made_are_added_from_the_annotations(tmp_path: Path) -> None:
    mask = {"size": [1, 1], "counts": [0, 1]}
    annotated = [
        {"image_path": f"web_detailed_caption/images/{i}.png", "mask_rle": mask, "caption": f"R{i}"}
        for i in (0, 1)
    ]
    regions = read("mdvp", [write(tmp_path, annotated, "annotations.json")])
    captions = read("mdvp", [write(tmp_path, [caption("web", "1.png", "said", "R1")])])
    both = bench("mdvp").complete(captions, regions)
    assert [(item.reference, item.prediction) for item in both] == [("R0", None), ("R1", "said")]
    with pytest.raises(DataError, match="not in the annotations"):
        bench("mdvp").complete(captions, regions[:1])
    assert [record_of(item) for item in regions] == annotated


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"image_path": "elsewhere/x.png", "gt": "x"}, "names none of the phases"),
        ({"image_path": "data/web_detailed_caption/x.png"}, "'gt' is missing"),
        ({"caption": "x"}, "'image_path' is missing"),
        ({"category": "web", "content": "1 2"}, "'question_id' is missing"),
        ({"category": "web", "question_id": 1, "pairing": "other"}, "'pairing' must be one of"),
    ],
)
def test_a_malformed_record_is_named(tmp_path: Path, record: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=f"record 0.*{says}"):
        read("mdvp", [write(tmp_path, [record])])
