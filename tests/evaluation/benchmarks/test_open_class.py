"""Names of objects are compared by words in both published normalisations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gartk.errors import DataError
from gartk.evaluation.benchmarks import open_class
from tests.evaluation.benches import read, record_of, report

MASK = {"segmentation": [[0, 0, 1, 0, 1, 1]]}


def write(folder: Path, records: list[dict[str, Any]]) -> Path:
    path = folder / "records.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def image(name: str, **objects: str | None) -> dict[str, Any]:
    return {
        "file_name": name,
        "height": 2,
        "categories": list(objects),
        "annotations": [MASK] * len(objects),
        "predictions": list(objects.values()),
    }


def test_the_two_normalisations_differ_on_object_and_part() -> None:
    assert open_class.osprey_texts("The car: wheel.", "car:wheel") == ("wheel", "car wheel")
    assert open_class.videorefer_texts("The Car: wheel.", "car_(vehicle)") == ("the car", "car  vehicle")


def test_word_sets_are_compared_whatever_the_case() -> None:
    assert open_class.semantic_iou("A red car car", "Red bus") == 0.25
    assert open_class.semantic_iou("", "bus") == 0.0
    assert open_class.semantic_iou("", " ") is None


def test_the_mean_is_over_objects_and_missing_ones_are_counted(tmp_path: Path) -> None:
    records = [image("a.jpg", dog="a dog", traffic_light="traffic light"), image("b.jpg", cat=None, bus="")]
    items = read("lvis", [write(tmp_path, records)])
    for variant in report("lvis", items)["variants"].values():
        assert variant == {
            "Sem-IoU": {
                "value": 50.0,
                "scored": 3,
                "total": 4,
                "missing": 1,
                "text": "50.0 over 3/4 (1 missing)",
            }
        }
    assert open_class.join_objects(map(record_of, items)) == records


def test_similarity_is_the_mean_cosine_of_an_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(texts: Sequence[str]) -> list[list[float]]:
        return [[float(len(text)), 1.0 if "dog" in text else -1.0] for text in texts]

    items = read("paco", [write(tmp_path, [image("a.jpg", dog="dog", cat=None)])])
    monkeypatch.setattr(open_class, "find_encoder", lambda _: encode)
    benchmark = open_class.PACOBenchmark()
    found = benchmark.aggregate(benchmark.scored(items))["variants"]["osprey"]["Sem-Sim"]
    assert (found["value"], found["scored"], found["total"]) == (pytest.approx(100.0), 1, 2)
    assert open_class.cosine([0.0], [1.0]) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"file_name": None}, "'file_name' is missing"),
        ({"categories": ["dog", "cat"]}, "2 categories, 1 annotations, 1 predictions"),
        ({"annotations": [3]}, "'annotations' has no usable mask 0"),
        ({"predictions": [3]}, "'predictions' must hold texts"),
        ({"predictions": "dog"}, "'predictions' must be a list"),
        ({"categories": [""]}, "'categories' must be a list of texts"),
    ],
)
def test_a_malformed_image_is_named(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=f"record 0.*{says}"):
        read("lvis", [write(tmp_path, [{**image("a.jpg", dog="dog"), **change}])])
