"""Between lmms-eval and gartk: documents from items, what is asked and shown, and scores of replies.

A document is a flat record: benchmark, id, task, question, reference, and the whole item as JSON. Scores are
made by gartk's scorers over all items at once, with the model's replies as predictions.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from PIL import Image

from gartk.errors import DataError
from gartk.evaluation.benchmarks.base import Benchmark, build_benchmark
from gartk.evaluation.benchmarks.files import data_root
from gartk.evaluation.by_name import build_judge
from gartk.evaluation.item import Fields, Item, asked
from gartk.evaluation.judges.base import Judge
from gartk.evaluation.models.item_view import ViewReader
from gartk.evaluation.models.pictures import to_pillow
from gartk.evaluation.models.visual_prompts import VisualPrompt
from gartk.evaluation.pictures import ImageFinder
from gartk.evaluation.results import item_from_json

JUDGE_VARIABLE = "GARTK_LMMS_JUDGE"
PARTIAL_VARIABLE = "GARTK_LMMS_PARTIAL"
INPUT_TYPE = "input_type"
Kwargs = Mapping[str, Any] | None
_log = logging.getLogger(__name__)


# ------------------------------------------------------------------ documents


def documents_of(stub: Any) -> Any:
    """Return the documents of the benchmark that a stub names; lmms-eval calls this with its data set.

    Raises: DataError if the benchmark's files, or some of its images, are not there. With
        GARTK_LMMS_PARTIAL=1 items without an image are left out, and the log says how many.
    """
    from datasets import Dataset

    name = stub[0]["benchmark"]
    items = benchmark(name).load(data_root())
    there = [item for item in items if finder(name)(item) is not None]
    if len(there) < len(items):
        missing = f"{name}: {len(items) - len(there)} of {len(items)} images are not there"
        if os.environ.get(PARTIAL_VARIABLE) != "1" or not there:
            raise DataError(
                f"{missing}. Get them ({benchmark(name).source}), or set {PARTIAL_VARIABLE}=1 for a run on"
                " the rest, whose score is not the benchmark's."
            )
        _log.warning("%s; the score is over the other %d", missing, len(there))
    return Dataset.from_list([to_document(item) for item in there])


def to_document(item: Item) -> dict[str, str]:
    """Turn an item into a document."""
    return {
        "benchmark": item.benchmark,
        "id": item.id,
        "task": item.task,
        "question": asked(item),
        "reference": item.reference,
        "item": json.dumps(asdict(item), ensure_ascii=True),
    }


def to_item(text: str) -> Item:
    """Turn the JSON of a document's item back into it."""
    return item_from_json(Fields(json.loads(text), "document"))


@lru_cache
def benchmark(name: str) -> Benchmark:
    """Return the benchmark of a name; GAR-Bench-Cap's two kinds are one benchmark to its items."""
    return build_benchmark(name)


def finder(name: str) -> ImageFinder:
    """Return what finds the images of a benchmark."""
    return _finder(name, data_root())


@lru_cache
def _finder(name: str, root: Path) -> ImageFinder:
    return benchmark(name).find_image(root)


# ------------------------------------------------------------------ what is asked and shown


def _parts(doc: Mapping[str, Any], kwargs: Kwargs) -> list[Any]:
    """Texts and pictures in order; regions are shown as the task's input type says."""
    item = to_item(doc["item"])
    shown = VisualPrompt(input_type=int((kwargs or {}).get(INPUT_TYPE, 1)))
    parts = shown.parts(ViewReader(finder(item.benchmark)).read(item))
    return [part if isinstance(part, str) else to_pillow(part).convert("RGB") for part in parts]


def doc_to_visual(doc: Mapping[str, Any], lmms_eval_specific_kwargs: Kwargs = None) -> list[Image.Image]:
    """Return the pictures, for models that take them before the text."""
    return [part for part in _parts(doc, lmms_eval_specific_kwargs) if not isinstance(part, str)]


def doc_to_text(doc: Mapping[str, Any], lmms_eval_specific_kwargs: Kwargs = None) -> str:
    """Return the texts on lines of their own; numbered announcements stand in the pictures' order."""
    return "\n".join(part for part in _parts(doc, lmms_eval_specific_kwargs) if isinstance(part, str))


def doc_to_messages(doc: Mapping[str, Any], lmms_eval_specific_kwargs: Kwargs = None) -> list[dict[str, Any]]:
    """Return one message with texts and pictures in their order, for chat models."""
    content = [
        {"type": "text", "text": part} if isinstance(part, str) else {"type": "image", "url": part}
        for part in _parts(doc, lmms_eval_specific_kwargs)
    ]
    return [{"role": "user", "content": content}]


# ------------------------------------------------------------------ scores

# Of each benchmark: the metric's name, and where its score stands in gartk's report.
METRICS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "gar-vqa": {
        "strict": ("strict", "overall"),
        "lenient": ("lenient", "overall"),
        "lenient_color": ("lenient", "tasks", "Color"),
        "lenient_shape": ("lenient", "tasks", "Shape"),
        "lenient_texture": ("lenient", "tasks", "Texture"),
        "lenient_material": ("lenient", "tasks", "Material"),
        "lenient_position": ("lenient", "tasks", "Position"),
        "lenient_non_entity": ("lenient", "tasks", "Non-Entity"),
        "lenient_relation": ("lenient", "tasks", "Relation"),
    },
    "gar-cap-simple": {"judged": ("tolerant", "simple")},
    "gar-cap-detailed": {"judged": ("tolerant", "detailed")},
    "dlc": {"pos": ("fixed", "Pos"), "neg": ("fixed", "Neg"), "avg": ("fixed", "Avg")},
    "ferret": {"refer_desc": ("fixed", "refer_desc")},
    "mdvp": {
        "natural": ("fixed pairing, fixed replies", "columns", "Natural"),
        "ocr": ("fixed pairing, fixed replies", "columns", "OCR"),
        "multi_panel": ("fixed pairing, fixed replies", "columns", "Multi-Panel"),
        "screenshot": ("fixed pairing, fixed replies", "columns", "Screenshot"),
    },
    "lvis": {"sem_iou": ("osprey", "Sem-IoU"), "sem_iou_videorefer": ("videorefer", "Sem-IoU")},
    "paco": {"sem_iou": ("osprey", "Sem-IoU"), "sem_iou_videorefer": ("videorefer", "Sem-IoU")},
    "videorefer-q": {"published": ("published", "overall"), "lenient": ("lenient", "overall")},
}


def process_results(
    doc: Mapping[str, Any], results: Sequence[str], *, task: str
) -> dict[str, dict[str, str]]:
    """Return every metric of a task the item and the model's reply to it."""
    payload = {"item": doc["item"], "reply": results[0]}
    return dict.fromkeys(METRICS[task], payload)


def aggregate(payloads: Sequence[Mapping[str, str]], *, task: str, metric: str) -> float:
    """Score all replies of a task; NaN where there is no score (no judge, or everything missing).

    Units: as gartk's scores, 0..100 for shares.
    """
    scores: Any = scores_of(task, payloads)
    for name in METRICS[task][metric]:
        scores = (scores or {}).get(name)
    value = None if scores is None else scores.get("percent", scores.get("value"))
    return math.nan if value is None else float(value)


_SCORED: dict[str, dict[str, Any]] = {}


def scores_of(task: str, payloads: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Score replies by all rules, once for all metrics of a task; {} where its judge is not named."""
    key = hashlib.sha256(json.dumps([task, *payloads]).encode("ascii")).hexdigest()
    if key not in _SCORED:
        items = [replace(to_item(one["item"]), prediction=one["reply"]) for one in payloads]
        judge = judge_of_environment() if benchmark(task).is_judged else None
        if judge is not None:
            items = judge.judge(items, benchmark=benchmark(task), find_image=finder(task))
        elif benchmark(task).is_judged:
            _log.warning("%s is scored by a judge; name one in %s, e.g. openai:gpt-4o", task, JUDGE_VARIABLE)
            return {}
        _SCORED[key] = benchmark(task).aggregate(benchmark(task).scored(items))["variants"]
    return _SCORED[key]


def judge_of_environment() -> Judge | None:
    """Build the judge that GARTK_LMMS_JUDGE names, as ``--judge`` of tools/eval.py does; None for none.

    Raises: ConfigError for another one.
    """
    spec = os.environ.get(JUDGE_VARIABLE, "")
    return build_judge(spec) if spec else None


# lmms-eval names a function by file and name, so each task and metric needs one: process_gar_vqa,
# score_gar_vqa_strict and so on.
FUNCTIONS: dict[str, Callable[..., Any]] = {}
for _task, _metrics in METRICS.items():
    _name = _task.replace("-", "_")
    FUNCTIONS[f"process_{_name}"] = partial(process_results, task=_task)
    for _metric in _metrics:
        FUNCTIONS[f"score_{_name}_{_metric}"] = partial(aggregate, task=_task, metric=_metric)
