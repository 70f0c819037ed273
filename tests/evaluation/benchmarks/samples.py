"""A sample of every published benchmark, written in its layout below a data root."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gartk.testing.benchmark_files import draw_image, rle, write_json
from tests.support.gar_bench import write_gar_bench

BOX = (10, 10, 30, 40)
BOUNDS = {"bbox": [10, 10, 20, 30], "segmentation": [[10, 10, 30, 10, 30, 40, 10, 40]]}
CLIP = {"7": {"segmentation": rle(BOX)}, "9": {"segmentation": rle(BOX)}}


def write_captions(root: Path) -> None:
    masks = [rle(BOX), rle((40, 10, 60, 40))]
    simple = {"image": "images/s_0.png", "mask_rles": masks, "question": "How is <Prompt0> to <Prompt1>?",
              "answer": "<Prompt0> is left of <Prompt1>.", "image_path": "/x.jpg"}  # fmt: skip
    detailed = {"image": "images/d_0.png", "mask_rles": masks, "subject_name": "box", "object_name": "wall",
                "predicate_name": "beside"}  # fmt: skip
    write_json(root / "gar_bench" / "annotations" / "GAR-Bench-Caption-Simple.json", [simple])
    write_json(root / "gar_bench" / "GAR-Bench-Caption-Detailed.json", [detailed])
    for name in ("s_0.png", "d_0.png"):
        draw_image(root / "gar_bench" / "images" / name, [(BOX, "red")])


def write_dlc(root: Path) -> None:
    choices = [["It is not mentioned.", 0], ["It is red.", 1]]
    questions = [{"question": "Q", "choices": choices, "type": kind} for kind in ("positive", "negative")]
    images = [{"id": 5, "file_name": "own.png"}, {"id": 6, "file_name": "borrowed.png"}]
    regions = [
        {"id": 71, "image_id": 5, "segmentation": rle(BOX)},
        {"id": 72, "image_id": 6, "segmentation": rle(BOX)},
    ]
    write_json(root / "dlc_bench" / "qa.json", {"71": questions, "72": questions})
    write_json(root / "dlc_bench" / "annotations.json", {"images": images, "annotations": regions})
    write_json(root / "dlc_bench" / "class_names.json", {"71": "box", "72": "picture/frame"})
    write_json(root / "dlc_bench" / "image_in_gar_bench.json", {"borrowed.png": "images/vqa_3.png"})
    draw_image(root / "dlc_bench" / "images" / "own.png", [(BOX, "red")])
    draw_image(root / "gar_bench" / "images" / "vqa_3.png", [(BOX, "blue")])


def write_ferret(root: Path) -> None:
    texts = {"question": "What about [0.1, 0.1, 0.3, 0.6]?", "answer": "A box.", "context": "Objects: box."}
    record = {"question_id": 0, "image": "1.png", "category": "description", "text": "What about <region>?",
              "annotation": BOUNDS}  # fmt: skip
    write_json(root / "ferret_bench" / "box_refer_caption.json", [record])
    for name, text in texts.items():
        lines = [{"question_id": 0, "image": "1.png", "category": "refer_desc", "text": text}]
        write_json(root / "ferret_bench" / "ferret_gpt4_data" / "refer_desc" / f"{name}.jsonl", lines)
    draw_image(root / "ferret_bench" / "images" / "1.png", [(BOX, "red")])


def write_mdvp(root: Path) -> None:
    where = "android_detailed_caption/images/1.png", "web_detailed_caption/images/1.png"
    question = "Please provide a detailed description of each marked region in the image."
    record = {"mask_rle": rle(BOX), "dataset_name": "d", "question": question, "caption": "A box."}
    records = [{"image_path": path, **record} for path in where]
    write_json(root / "mdvp_bench" / "mdvp_caption_mask.json", records)
    draw_image(root / "mdvp_bench" / "images" / "android_detailed_caption" / "1.png", [(BOX, "red")])
    draw_image(root / "mdvp_bench" / "data" / where[1], [(BOX, "green")])


def write_open_class(name: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        record = {
            "file_name": "val2017/1.png",
            "height": 60,
            "width": 80,
            "categories": ["baseball_bat", "cup:handle"],
            "annotations": [BOUNDS, {"segmentation": rle(BOX)}],
        }
        write_json(root / name / f"{name}_val_1k_category.json", [record])
        draw_image(root / "coco" / "val2017" / "1.png", [(BOX, "red")])

    return write


def write_video(root: Path) -> None:
    d = {"id": 0, "video": "a.mp4", "caption": "A box.", "frame_idx": "7", "annotation": [CLIP]}
    options = ["(A) a box", "(B) a cup"]
    q = {"id": 0, "video": "DAVIS/clip", "Question": "What is <object0><region>?", "type": "Basic Questions",
         "options": options, "Answer": options[0], "frame_idx": "7", "annotation": [CLIP]}  # fmt: skip
    write_json(root / "videorefer_bench" / "VideoRefer-Bench-D.json", [{**d, "video": "clip"}])
    write_json(root / "videorefer_bench" / "VideoRefer-Bench-Q.json", [q])
    for number in range(20):
        for folder in ("Panda-70M-part/clip", "DAVIS/clip"):
            draw_image(root / "videorefer_bench" / folder / f"{number:05d}.png", [(BOX, "red")])


def write_vstar(root: Path) -> None:
    text = "What colour?\n(A) red\n(B) blue\nAnswer with the option's letter from the given choices directly."
    row = {"image": "direct_attributes/a.png", "text": text, "category": "direct_attributes", "label": "A"}
    write_json(root / "vstar" / "test_questions.jsonl", [{**row, "question_id": "0"}])
    draw_image(root / "vstar" / "direct_attributes" / "a.png", [(BOX, "red")])


def write_mmvp(root: Path) -> None:
    (root / "mmvp").mkdir(parents=True)
    rows = "Index,Question,Options,Correct Answer\n1,Open or closed?,(a) Open (b) Closed,(a)\n"
    (root / "mmvp" / "Questions.csv").write_text(rows, encoding="utf-8-sig")
    draw_image(root / "mmvp" / "MMVP Images" / "1.jpg", [(BOX, "red")])


def write_parquet(folder: str, **columns: Any) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        datasets = pytest.importorskip("datasets", reason="needs the extra 'eval'")
        draw_image(root / "one.png", [(BOX, "red")])
        data = {"path": "one.png", "bytes": (root / "one.png").read_bytes()}
        features = datasets.Dataset.from_dict({name: [value] for name, value in columns.items()}).features
        table = datasets.Dataset.from_dict(
            {**{name: [value] for name, value in columns.items()}, "image": [data]},
            features=datasets.Features({**features, "image": datasets.Image()}),
        )
        (root / folder / "data").mkdir(parents=True)
        table.to_parquet(str(root / folder / "data" / "test-00000-of-00001.parquet"))

    return write


MMSTAR = {"index": 3, "question": "Which?\nOptions: A: red, B: blue", "answer": "A", "category": "math",
          "l2_category": "geometry", "meta_info": {"source": "x", "split": "y"}}  # fmt: skip
WRITERS: dict[str, Callable[[Path], Any]] = {
    "gar-vqa": write_gar_bench,
    "gar-cap": write_captions,
    "gar-cap-simple": write_captions,
    "gar-cap-detailed": write_captions,
    "dlc": write_dlc,
    "ferret": write_ferret,
    "mdvp": write_mdvp,
    "videorefer-d": write_video,
    "videorefer-q": write_video,
    "lvis": write_open_class("lvis"),
    "paco": write_open_class("paco"),
    "vstar": write_vstar,
    "mmvp": write_mmvp,
    "realworldqa": write_parquet("realworldqa", question="How many?\n\nA number.", answer="3"),
    "mmstar": write_parquet("mmstar", **MMSTAR),
}
