"""Records in the release's training layout, and errors that name file, record and field."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gartk.data.conversations import ConversationDataset
from gartk.errors import DataError
from gartk.regions.masks import encode_rle
from gartk.registry import DATASETS

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)


def png(pixels: np.ndarray = PIXELS) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def rectangle(top: int, left: int, hw: tuple[int, int] = (12, 20)) -> np.ndarray:
    mask = np.zeros(hw, dtype=bool)
    mask[top : top + 3, left : left + 4] = True
    return mask


IMAGE = "data:base64," + base64.b64encode(png()).decode()
MASKS = [rectangle(1, 2), rectangle(6, 9)]
RLES = [encode_rle(mask) for mask in MASKS]


def talk(*texts: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[i % 2], "value": text} for i, text in enumerate(texts)]


def record(**changes: Any) -> dict[str, Any]:
    given = {
        "image": IMAGE,
        "mask_rle": RLES,
        "conversations": talk("What is <Prompt1>?", "A cup."),
        **changes,
    }
    return {key: value for key, value in given.items() if value is not ...}


def dataset(folder: Path, *records: Any, name: str = "data.json", **arguments: Any) -> ConversationDataset:
    path = folder / name
    lines = "\n".join(json.dumps(r) for r in records)
    path.write_text(lines + "\n" if path.suffix == ".jsonl" else json.dumps(list(records)))
    return ConversationDataset(str(path), **arguments)


def test_a_base64_record_gives_image_regions_and_turns(tmp_path: Path) -> None:
    sample = dataset(tmp_path, record())[0]
    assert np.array_equal(np.asarray(sample.image), PIXELS)
    assert [np.array_equal(r.mask, m) for r, m in zip(sample.regions, MASKS, strict=True)] == [True, True]
    assert [(turn.role, turn.text) for turn in sample.turns] == [
        ("user", "What is <Prompt1>?"),
        ("assistant", "A cup."),
    ]
    assert sample.id == "data-0"


def test_a_folder_of_datasets_gives_what_was_saved_there(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rle = {"size": RLES[0]["size"], "counts": RLES[0]["counts"]}
    saved = datasets.Dataset.from_list(
        [
            {
                "image": {"bytes": png(), "path": None},
                "mask_rle": [rle],
                "conversations": talk("<Prompt0>?", "A."),
            }
        ]
    ).cast_column("image", datasets.Image())
    saved.save_to_disk(str(tmp_path / "train"))
    sample = ConversationDataset([str(tmp_path / "train")])[0]
    assert np.array_equal(np.asarray(sample.image), PIXELS)
    assert np.array_equal(sample.regions[0].mask, MASKS[0])
    assert sample.turns[1].text == "A."


def test_an_image_path_is_read_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(png())
    assert np.array_equal(np.asarray(dataset(tmp_path, record(image="images/a.png"))[0].image), PIXELS)


def test_several_files_are_one_dataset_in_their_order(tmp_path: Path) -> None:
    dataset(tmp_path, record(), record(), name="a.jsonl")
    dataset(tmp_path, record(conversations=talk("<Prompt0>?", "last")), name="b.json")
    both = ConversationDataset([str(tmp_path / "a.jsonl"), str(tmp_path / "b.json")])
    assert len(both) == 3
    assert [both[i].id for i in range(3)] == ["a-0", "a-1", "b-0"]
    assert both[2].turns[1].text == "last"
    with pytest.raises(IndexError):
        both[3]
    assert len(list(both)) == 3, "iteration ends by IndexError"


def test_a_single_rle_is_one_region(tmp_path: Path) -> None:
    sample = dataset(tmp_path, record(mask_rle=RLES[1], conversations=talk("Describe it.", "A cup.")))[0]
    assert len(sample.regions) == 1
    assert np.array_equal(sample.regions[0].mask, MASKS[1])


@pytest.mark.parametrize("given", [None, ...])
def test_no_mask_is_the_whole_image(tmp_path: Path, given: Any) -> None:
    sample = dataset(tmp_path, record(mask_rle=given, conversations=talk("Describe.", "A room.")))[0]
    assert sample.regions[0].mask.all()
    assert sample.regions[0].image_hw == (12, 20)


def test_answers_without_names_describe_the_masks_in_order(tmp_path: Path) -> None:
    conversations = [{"from": "gpt", "value": "A cup."}, {"from": "gpt", "value": "A hat."}]
    sample = dataset(tmp_path, record(conversations=conversations), caption_question="Say {prompt}!")[0]
    texts = [(turn.role, turn.text) for turn in sample.turns]
    assert texts == [
        ("user", "Say <Prompt0>!"),
        ("assistant", "A cup."),
        ("user", "Say <Prompt1>!"),
        ("assistant", "A hat."),
    ]


BAD_RLE = {"size": [12, 20], "counts": [5, 3]}
BROKEN = {
    "image missing": (record(image=...), r"field 'image' is missing"),
    "image not base64": (record(image="data:base64,@@@"), r"field 'image' is not valid base64"),
    "image not ascii": (record(image="data:base64,é"), r"field 'image' is not valid base64"),
    "image no picture": (record(image="data:base64,aGVsbG8="), r"field 'image': "),
    "image file absent": (record(image="absent.png"), r"field 'image': .*absent\.png"),
    "image of a wrong type": (record(image=7), r"field 'image': "),
    "mask of another size": (
        record(mask_rle=[RLES[0], encode_rle(rectangle(0, 0, (20, 12)))]),
        r"field 'mask_rle'\[1\] is 20x12 \(height x width\), the image 12x20",
    ),
    "mask whose counts do not fill it": (record(mask_rle=[RLES[0], BAD_RLE]), r"field 'mask_rle'\[1\]: "),
    "mask that is empty": (
        record(mask_rle=[RLES[0], encode_rle(np.zeros((12, 20), dtype=bool))]),
        r"mask_rle\[1\].*empty",
    ),
    "mask of a wrong type": (record(mask_rle="abc"), r"field 'mask_rle' must be a COCO RLE"),
    "empty list of masks": (record(mask_rle=[]), r"field 'mask_rle' must be a COCO RLE"),
    "conversation missing": (record(conversations=...), r"field 'conversations' must be a list"),
    "conversation empty": (record(conversations=[]), r"field 'conversations' must be a list"),
    "unknown role": (
        record(conversations=[{"from": "robot", "value": "x"}]),
        r"field 'conversations'\[0\] must be .*robot",
    ),
    "text missing": (record(conversations=[{"from": "human"}]), r"field 'conversations'\[0\] must be"),
    "names a region that is not there": (
        record(conversations=talk("<Prompt0>?", "like <Prompt2>")),
        r"field 'conversations'\[1\] names <Prompt2>, but there are 2 masks",
    ),
    "answers do not match masks": (
        record(conversations=talk("Describe.", "A cup.")),
        r"field 'conversations' has 1 answers for 2 masks",
    ),
    "not an object": (["x"], r"must be an object; got list"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_record_is_a_data_error_naming_file_record_and_field(tmp_path: Path, case: str) -> None:
    broken, text = BROKEN[case]
    data = dataset(tmp_path, record(), broken)
    data[0]
    with pytest.raises(DataError, match=rf"data\.json, record 1: .*{text}"):
        data[1]


def test_a_missing_path_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"absent does not exist\. Put the dataset there .*train_data\.dataset\.paths"
    ):
        ConversationDataset(str(tmp_path / "absent"))


def test_files_that_are_no_dataset_are_data_errors(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1, ")
    (tmp_path / "b.json").write_text('{"a": 1}')
    (tmp_path / "c.jsonl").write_text('{"a": 1}\n{"b"\n')
    (tmp_path / "d.json").write_bytes(b"\xff\xfe\x00")
    for name, text in {
        "a.json": "cannot be read as JSON",
        "b.json": "must hold a list of records; got dict",
        "c.jsonl": "line 2 is not JSON",
        "d.json": "cannot be read as JSON",
    }.items():
        with pytest.raises(DataError, match=rf"{name}.*{text}"):
            ConversationDataset(str(tmp_path / name))


def test_a_folder_that_datasets_did_not_write_is_a_data_error(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    with pytest.raises(DataError, match="not a dataset folder written by save_to_disk"):
        ConversationDataset(str(tmp_path))


def test_an_image_over_the_pixel_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"record 0: field 'image': .*pixels"):
        dataset(tmp_path, record(), max_pixels=100)[0]


def test_it_is_built_by_name() -> None:
    assert DATASETS.get("ConversationDataset") is ConversationDataset


# ------------------------------------------------------------------ several images


OTHER = np.random.default_rng(1).integers(0, 256, (16, 10, 3), dtype=np.uint8)
IMAGES = [IMAGE, "data:base64," + base64.b64encode(png(OTHER)).decode()]
ON_OTHER = encode_rle(rectangle(8, 3, (16, 10)))


def test_a_record_of_two_images_has_regions_on_each_and_on_both(tmp_path: Path) -> None:
    masks = [
        {"image": 0, **RLES[0]},
        {"image": 1, **ON_OTHER},
        [{"image": 1, **ON_OTHER}, {"image": 0, **RLES[1]}],
    ]
    conversations = talk("Is <Prompt0> in the first picture the same as <Prompt1> in the second?", "No.")
    sample = dataset(tmp_path, record(image=IMAGES, mask_rle=masks, conversations=conversations))[0]
    assert all(np.array_equal(one, own) for one, own in zip(sample.images, [PIXELS, OTHER], strict=True))
    pairs = sample.pairs()
    assert [(pair.number, pair.image) for pair in pairs] == [(0, 0), (1, 1), (2, 0), (2, 1)]
    wanted = [MASKS[0], rectangle(8, 3, (16, 10)), MASKS[1], rectangle(8, 3, (16, 10))]
    assert all(np.array_equal(pair.region.mask, mask) for pair, mask in zip(pairs, wanted, strict=True))


def test_without_masks_each_of_several_images_is_a_region(tmp_path: Path) -> None:
    sample = dataset(tmp_path, record(image=IMAGES, mask_rle=None, conversations=talk("Q <Prompt1>", "A")))[0]
    assert [(pair.number, pair.image, bool(pair.region.mask.all())) for pair in sample.pairs()] == [
        (0, 0, True),
        (1, 1, True),
    ]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"mask_rle": [RLES[0]]}, r"field 'mask_rle'\[0\] must say on which of the 2 images"),
        ({"mask_rle": [{"image": 2, **RLES[0]}]}, r"'mask_rle'\[0\] must say .* from 0 to 1; got 2"),
        ({"mask_rle": [{"image": 1, **RLES[0]}]}, r"'mask_rle'\[0\] is 12x20 .* image 1 16x10"),
        ({"mask_rle": [[{"image": 0, **r} for r in RLES]]}, r"'mask_rle'\[0\] has two masks on image 0"),
        ({"image": [IMAGE, "data:base64,%%"]}, r"field 'image'\[1\] is not valid base64"),
        ({"image": [IMAGE, None]}, r"field 'image'\[1\] is missing"),
        ({"image": []}, r"field 'image'"),
    ],
)
def test_errors_of_records_with_several_images_name_the_image(
    tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    good = {"image": IMAGES, "mask_rle": [{"image": 0, **RLES[0]}, {"image": 0, **RLES[1]}]}
    with pytest.raises(DataError, match=text):
        dataset(tmp_path, record(**{**good, **changes}))[0]
