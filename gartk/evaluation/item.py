"""The item that all benchmarks share, and reading it from records with errors that name the field."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from gartk.errors import DataError
from gartk.io import read_json, read_jsonl

Reply = str | Sequence[str | None]


@dataclass(frozen=True)
class Item:
    """One item of a benchmark: what was asked, what is right, what was said and judged.

    ``masks`` are mappings as published: RLE (counts a string or a list), polygons, boxes.
    ``prediction`` is None where the model gave none. ``replies`` hold the raw replies of each judge;
    a list where the judge was asked several questions, None in it where a reply is missing.
    ``scores`` are the values of this item alone by rule ("strict"), and by rule and part ("fixed/Pos");
    None where it is missing. ``extra`` is every other key of the published record, unchanged.
    """

    benchmark: str
    id: str
    task: str = ""
    image: str | None = None
    masks: tuple[Mapping[str, Any], ...] = ()
    question: str = ""
    reference: str = ""
    prediction: str | None = None
    replies: Mapping[str, Reply] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """Which key of a benchmark's published record holds which part of an item; "" for none.

    ``single_mask`` says that the key of the masks holds one mapping and not a list of them;
    ``needed`` are the parts of the item that a record must have.
    """

    id: str = ""
    task: str = ""
    image: str = ""
    masks: str = ""
    question: str = ""
    reference: str = ""
    prediction: str = ""
    reply: str = ""
    single_mask: bool = False
    needed: Collection[str] = ()


JUDGE = "judge"
PROMPT = "prompt"


@dataclass(frozen=True)
class Fields:
    """A record of a file and its place, from which fields are taken with their type checked."""

    record: Mapping[str, Any]
    where: str

    def fail(self, key: str, problem: str) -> NoReturn:
        """Raise the DataError that names the place and the field."""
        raise DataError(f"{self.where}: field {key!r} {problem}.")

    def text(self, key: str) -> str | None:
        """Return a text, or None where there is none."""
        value = self.record.get(key)
        if value is not None and not isinstance(value, str):
            self.fail(key, f"must be a text, not {shown(value)}")
        return value

    def needed_text(self, key: str) -> str:
        """Return a text that must be there."""
        value = self.text(key)
        if not value or not value.strip():
            self.fail(key, "is missing" if value is None else "is empty")
        return value

    def label(self, key: str) -> str:
        """Return an id that must be there: a text or a whole number."""
        value = self.record.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return self.needed_text(key)

    def entries(self, key: str) -> list[Any]:
        """Return a list that must be there."""
        value = self.record.get(key)
        if not isinstance(value, list):
            self.fail(key, "is missing" if value is None else f"must be a list, not {shown(value)}")
        return value

    def texts(self, key: str) -> list[str]:
        """Return a list of texts that must be there."""
        values = self.entries(key)
        wrong = [value for value in values if not isinstance(value, str) or not value.strip()]
        if wrong or not values:
            self.fail(key, f"must be a list of texts, not {shown(wrong[0] if wrong else values)}")
        return values

    def masks(self, key: str, *, single: bool) -> tuple[Mapping[str, Any], ...]:
        """Return the masks, each checked; none where the field is not there."""
        value = self.record.get(key)
        if value is None:
            return ()
        values = [value] if single else value
        if not isinstance(values, list):
            self.fail(key, f"must be a list of masks, not {shown(value)}")
        for number, mask in enumerate(values):
            problem = mask_problem(mask)
            if problem:
                self.fail(key, f"has no usable mask {number}: {problem}")
        return tuple(values)


def read_records(path: str | Path) -> list[Fields]:
    """Read a JSON list of records, or one record a line from a file named .jsonl.

    Raises: DataError if the file is missing, not JSON, or not a list of objects.
    """
    records = read_jsonl(path) if Path(path).suffix == ".jsonl" else read_json(path)
    if not isinstance(records, list):
        raise DataError(f"{path} must hold a list of records, not {shown(records)}.")
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise DataError(f"{path}, record {number}: must be an object, not {shown(record)}.")
    return [Fields(record, f"{path}, record {number}") for number, record in enumerate(records)]


def read_files(paths: Iterable[str | Path]) -> list[Fields]:
    """Read the records of several files, one after the other; see ``read_records``."""
    return [fields for path in paths for fields in read_records(path)]


TokenLimit = int | Callable[[Item], int]


def token_limit(limit: TokenLimit, item: Item) -> int:
    """Return how many tokens the answer to an item may have."""
    return limit(item) if callable(limit) else limit


def asked(item: Item) -> str:
    """Return what a model is asked about an item, as its benchmark's loader wrote it.

    Raises: DataError if the item was not loaded by a benchmark.
    """
    prompt = item.extra.get(PROMPT)
    if not isinstance(prompt, str):
        raise DataError(f"{item.benchmark} item {item.id}: it has no prompt. Load it with its benchmark.")
    return prompt


def to_item(fields: Fields, layout: Layout, *, benchmark: str, task: str = "", id_prefix: str = "") -> Item:
    """Turn a published record into an item; ``task`` is its sub-task where the record names none.

    Raises: DataError if a needed field is missing or a field has the wrong type.
    """
    ident = id_prefix + (fields.label(layout.id) if layout.id else fields.where.rpartition(" ")[2])
    named = Fields(fields.record, f"{fields.where} ({ident})" if layout.id else fields.where)
    texts = {name: _text(named, layout, name) for name in ("task", "question", "reference", "prediction")}
    image = fields.record.get(layout.image)
    reply = named.text(layout.reply) if layout.reply else None
    masks = named.masks(layout.masks, single=layout.single_mask) if layout.masks else ()
    item = Item(
        benchmark=benchmark,
        id=ident,
        task=texts["task"] or task,
        image=image if isinstance(image, str) else None,
        masks=masks,
        question=texts["question"] or "",
        reference=texts["reference"] or "",
        prediction=texts["prediction"],
        replies={} if reply is None else {JUDGE: reply},
    )
    extra = dict(fields.record)
    for key, value in _own_keys(item, layout).items():
        if extra.get(key) == value and key != layout.id:
            del extra[key]
    return replace(item, extra=extra)


def _text(fields: Fields, layout: Layout, name: str) -> str | None:
    key = getattr(layout, name)
    if not key:
        return None
    return fields.needed_text(key) if name in layout.needed else fields.text(key)


def _own_keys(item: Item, layout: Layout) -> dict[str, Any]:
    """The keys of the published record that the parts of an item fill."""
    masks: Any = item.masks[0] if layout.single_mask and item.masks else list(item.masks)
    parts = {
        layout.task: item.task,
        layout.image: item.image,
        layout.masks: masks,
        layout.question: item.question,
        layout.reference: item.reference,
        layout.prediction: item.prediction,
        layout.reply: item.replies.get(JUDGE),
    }
    return {key: value for key, value in parts.items() if key and value not in (None, "", [])}


def to_record(item: Item, layout: Layout) -> dict[str, Any]:
    """Turn an item into the published record that it would be read from."""
    named = {layout.id: item.id} if layout.id and layout.id not in item.extra else {}
    return {**named, **item.extra, **_own_keys(item, layout)}


def check_unique(items: Iterable[Item]) -> list[Item]:
    """Return the items as they are.

    Raises: DataError if two of the same sub-task have one id, since one would count twice.
    """
    seen: dict[tuple[str, str], Item] = {}
    for item in items:
        if (item.task, item.id) in seen:
            raise DataError(f"{item.benchmark}: the item {item.id!r} is there twice; give each item once.")
        seen[item.task, item.id] = item
    return list(seen.values())


def complete(items: Sequence[Item], annotated: Sequence[Item]) -> list[Item]:
    """Add the annotated items that have no record, without prediction and replies, so that they count.

    Raises: DataError if a record is none of the annotated items.
    """
    known = {(item.task, item.id) for item in items}
    wanted = {(item.task, item.id) for item in annotated}
    for item in items:
        if (item.task, item.id) not in wanted:
            raise DataError(
                f"{item.benchmark}: the item {item.id!r} ({item.task}) is not in the annotations."
            )
    absent = [item for item in annotated if (item.task, item.id) not in known]
    return [*items, *(replace(item, prediction=None, replies={}) for item in absent)]


def is_number(value: object) -> bool:
    """Whether a JSON value is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def mask_problem(mask: object) -> str | None:
    """Return why a published mask cannot be one, or None: RLE, ``segmentation`` (also null), ``bbox``.

    Only the form is checked. A mapping of such mappings (one for each object of a frame) is taken too.
    """
    if not isinstance(mask, dict):
        return f"{shown(mask)} is no object"
    if "counts" in mask or "size" in mask:
        return _rle_problem(mask)
    if "segmentation" not in mask and "bbox" not in mask:
        if any(
            not isinstance(part, dict) or not {"segmentation", "bbox"} & set(part) for part in mask.values()
        ):
            return "it has neither 'counts' nor 'segmentation' nor 'bbox'"
        return next(filter(None, map(_annotation_problem, mask.values())), None)
    return _annotation_problem(mask)


def _annotation_problem(mask: Mapping[str, Any]) -> str | None:
    box, outline = mask.get("bbox"), mask.get("segmentation")
    if box is not None and not (isinstance(box, list) and len(box) == 4 and all(map(is_number, box))):
        return f"its 'bbox' must be four numbers, not {shown(box)}"
    if isinstance(outline, dict):
        return _rle_problem(outline) if outline else None
    if outline is not None and not (isinstance(outline, list) and all(map(_is_polygon, outline))):
        return f"its 'segmentation' must be RLE or polygons, not {shown(outline)}"
    return None


def _is_polygon(points: object) -> bool:
    if not isinstance(points, list):
        return False
    return len(points) >= 6 and len(points) % 2 == 0 and all(map(is_number, points))


def _rle_problem(rle: Mapping[str, Any]) -> str | None:
    size, counts = rle.get("size"), rle.get("counts")
    if not (isinstance(size, list) and len(size) == 2 and all(type(n) is int and n > 0 for n in size)):
        return f"its 'size' must be height and width, not {shown(size)}"
    if isinstance(counts, str):
        return None
    if not (isinstance(counts, list) and all(type(n) is int and n >= 0 for n in counts)):
        return f"its 'counts' must be a text or a list of run lengths, not {shown(counts)}"
    return None if sum(counts) == size[0] * size[1] else "its run lengths do not add up to its size"


def shown(value: object) -> str:
    """Show a JSON value in an error, shortened."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
