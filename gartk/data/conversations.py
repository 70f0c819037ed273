"""Conversations about regions in the release's training layout."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gartk.data.base import DATASETS, RegionDataset
from gartk.data.prompting import names_prompts, unknown_prompts
from gartk.errors import DataError, GartkError
from gartk.io import read_json, read_jsonl
from gartk.regions import Region
from gartk.regions.images import open_image
from gartk.regions.masks import decode_rle
from gartk.structures import Sample, Turn

_BASE64 = "data:base64,"
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}


@DATASETS.register()
class ConversationDataset(RegionDataset):
    """Records of ``image``, ``mask_rle`` and ``conversations``, from disk.

    A path is a folder written by ``datasets.Dataset.save_to_disk``, or a ``.json``/``.jsonl`` file.
    ``image`` is an image, a base64 string or a path (relative ones below the file's folder), or a list of
    these; ``mask_rle`` one COCO RLE, a list of them, or nothing for the whole image (each whole image, where
    there are several). With several images an RLE has the number of its image, from 0, beside ``size``
    and ``counts`` (``{"image": 1, "size": ..., "counts": ...}``), and a list of such RLEs in place of one is
    a region that is seen on each of their images. ``conversations`` is a list of
    ``{"from": "human" | "gpt", "value": text}``. Where the text names ``<Prompt i>`` it is used as it
    stands; otherwise answer i describes mask i, and is asked for with ``caption_question``.

    Raises: DataError naming file, record and field.
    Source: the training data published with Grasp Any Region.
    """

    def __init__(
        self,
        paths: str | Sequence[str],
        *,
        caption_question: str = "Describe {prompt} in detail.",
        max_pixels: int | None = None,
    ) -> None:
        self.paths = [paths] if isinstance(paths, str) else list(paths)
        self.caption_question = caption_question
        self.max_pixels = max_pixels
        self._parts = [_open(Path(path)) for path in self.paths]
        self._ends = np.cumsum([len(part) for part in self._parts]).tolist()

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._ends else 0

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        part = int(np.searchsorted(self._ends, index, side="right"))
        row = index - (self._ends[part - 1] if part else 0)
        where = f"{self.paths[part]}, record {row}"
        record = self._parts[part][row]
        try:
            return self._sample(record, Path(self.paths[part]), f"{Path(self.paths[part]).stem}-{row}")
        except GartkError as error:
            raise DataError(f"{where}: {error}") from error

    def _sample(self, record: Any, path: Path, name: str) -> Sample:
        if not isinstance(record, Mapping):
            raise DataError(f"must be an object; got {type(record).__name__}.")
        given = record.get("image")
        images = (
            [self._image(one, path, f"image'[{i}]") for i, one in enumerate(given)]
            if (isinstance(given, list | tuple) and given)
            else [self._image(given, path)]
        )
        messages = _messages(record.get("conversations"))
        regions = _regions(record.get("mask_rle"), [image.shape[:2] for image in images])
        if not any(names_prompts(turn.text) for turn in messages):
            messages = self._captions(messages, len(regions))
        for number, turn in enumerate(messages):
            if absent := unknown_prompts(turn.text, len(regions)):
                raise DataError(
                    f"field 'conversations'[{number}] names {', '.join(absent)}, but there are"
                    f" {len(regions)} masks."
                )
        return Sample(images=images, regions=regions, turns=messages, id=name)

    def _image(self, value: Any, path: Path, field: str = "image'") -> np.ndarray:
        if isinstance(value, str) and value.startswith(_BASE64):
            try:
                value = base64.b64decode(value[len(_BASE64) :], validate=True)
            except ValueError as error:
                raise DataError(f"field '{field} is not valid base64: {error}") from error
        elif isinstance(value, str):
            value = path.parent / value
        elif value is None:
            raise DataError(f"field '{field} is missing.")
        try:
            return open_image(value, max_pixels=self.max_pixels)
        except GartkError as error:
            raise DataError(f"field '{field}: {error}") from error

    def _captions(self, messages: list[Turn], num_regions: int) -> list[Turn]:
        answers = [turn.text for turn in messages if turn.role == "assistant"]
        if len(answers) != num_regions:
            raise DataError(
                f"field 'conversations' has {len(answers)} answers for {num_regions} masks, and no text that"
                " names <Prompt i>; without names, answer i describes mask i."
            )
        turns = []
        for index, answer in enumerate(answers):
            turns.append(Turn("user", self.caption_question.format(prompt=f"<Prompt{index}>")))
            turns.append(Turn("assistant", answer))
        return turns


def _open(path: Path) -> Any:
    if path.is_dir():
        try:
            from datasets import load_from_disk
        except ImportError as error:
            raise DataError(
                f"Reading {path} needs the package datasets: pip install 'gartk[data]'."
            ) from error
        try:
            return load_from_disk(str(path))
        except (FileNotFoundError, ValueError, OSError) as error:
            raise DataError(f"{path} is not a dataset folder written by save_to_disk: {error}") from error
    if not path.is_file():
        raise DataError(
            f"{path} does not exist. Put the dataset there (a folder written by save_to_disk, or a"
            " .json/.jsonl file), or name its place: --cfg-options train_data.dataset.paths=/path/to/data"
        )
    records = (read_jsonl if path.suffix == ".jsonl" else read_json)(path)
    if not isinstance(records, list):
        raise DataError(f"{path} must hold a list of records; got {type(records).__name__}.")
    return records


def _messages(value: Any) -> list[Turn]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise DataError("field 'conversations' must be a list of messages that is not empty.")
    turns = []
    for number, message in enumerate(value):
        role = _ROLES.get(str(message.get("from"))) if isinstance(message, Mapping) else None
        if role is None or not isinstance(message.get("value"), str):
            raise DataError(
                f"field 'conversations'[{number}] must be {{'from': 'human' or 'gpt', 'value': text}};"
                f" got {message!r}."
            )
        turns.append(Turn(role, message["value"]))  # type: ignore[arg-type]
    return turns


def _regions(value: Any, sizes: Sequence[tuple[int, int]]) -> list[Region | dict[int, Region]]:
    """Read the masks of a record with images of these heights and widths."""
    if value is None:
        whole = [Region.from_mask(np.ones(size, dtype=bool), name="image") for size in sizes]
        return [*whole] if len(sizes) == 1 else [{i: region} for i, region in enumerate(whole)]
    rles = [value] if isinstance(value, Mapping) else value
    if not isinstance(rles, Sequence) or isinstance(rles, str) or not rles:
        raise DataError(f"field 'mask_rle' must be a COCO RLE or a list of them; got {type(value).__name__}.")
    if len(sizes) == 1:
        return [_region(rle, sizes, f"mask_rle'[{i}]")[1] for i, rle in enumerate(rles)]
    regions: list[Region | dict[int, Region]] = []
    for number, given in enumerate(rles):
        places: dict[int, Region] = {}
        for one in [given] if isinstance(given, Mapping) else given:
            image, region = _region(one, sizes, f"mask_rle'[{number}]")
            if image in places:
                raise DataError(f"field 'mask_rle'[{number}] has two masks on image {image}.")
            places[image] = region
        regions.append(places)
    return regions


def _region(rle: Any, sizes: Sequence[tuple[int, int]], field: str) -> tuple[int, Region]:
    """Read one mask and the number of its image, which may be left out where there is one."""
    image = rle.get("image", 0 if len(sizes) == 1 else None) if isinstance(rle, Mapping) else 0
    if not isinstance(image, int) or not 0 <= image < len(sizes):
        raise DataError(
            f"field '{field} must say on which of the {len(sizes)} images it is, with"
            f" 'image' from 0 to {len(sizes) - 1}; got {image!r}."
        )
    try:
        mask = decode_rle(rle)
    except GartkError as error:
        raise DataError(f"field '{field}: {error}") from error
    if mask.shape != sizes[image]:
        name = "the image" if len(sizes) == 1 else f"image {image}"
        raise DataError(
            f"field '{field} is {mask.shape[0]}x{mask.shape[1]} (height x width),"
            f" {name} {sizes[image][0]}x{sizes[image][1]}."
        )
    return image, Region.from_mask(mask, name=field.replace("'", ""))
