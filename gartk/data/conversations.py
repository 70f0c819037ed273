"""Conversations about regions in the release's training layout."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gartk.data.base import DATASETS, RegionDataset
from gartk.data.prompting import names_prompts, unknown_prompts
from gartk.errors import DataError, GartkError
from gartk.io import read_json, read_jsonl
from gartk.regions import Region
from gartk.regions.images import open_image
from gartk.regions.masks import decode_rle
from gartk.structures import Sample, Turn

if TYPE_CHECKING:
    from gartk.regions.masks import BoolMask

_BASE64 = "data:base64,"
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}


@DATASETS.register()
class ConversationDataset(RegionDataset):
    """Records of ``image``, ``mask_rle`` and ``conversations``, from disk.

    A path is a folder written by ``datasets.Dataset.save_to_disk``, or a ``.json``/``.jsonl`` file.
    ``image`` is an image, a base64 string or a path (relative ones below the file's folder);
    ``mask_rle`` one COCO RLE, a list of them, or nothing for the whole image; ``conversations`` a
    list of ``{"from": "human" | "gpt", "value": text}``. Where the text names ``<Prompt i>`` it is
    used as it stands; otherwise answer i describes mask i, and is asked for with
    ``caption_question``.

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
        image = self._image(record.get("image"), path)
        messages = _messages(record.get("conversations"))
        masks = _masks(record.get("mask_rle"), image.shape[:2])
        regions = [Region.from_mask(mask, name=f"mask_rle[{i}]") for i, mask in enumerate(masks)]
        if not any(names_prompts(turn.text) for turn in messages):
            messages = self._captions(messages, len(regions))
        for number, turn in enumerate(messages):
            if absent := unknown_prompts(turn.text, len(regions)):
                raise DataError(
                    f"field 'conversations'[{number}] names {', '.join(absent)}, but there are"
                    f" {len(regions)} masks."
                )
        return Sample(image=image, regions=regions, turns=messages, id=name)

    def _image(self, value: Any, path: Path) -> np.ndarray:
        if isinstance(value, str) and value.startswith(_BASE64):
            try:
                value = base64.b64decode(value[len(_BASE64) :], validate=True)
            except ValueError as error:
                raise DataError(f"field 'image' is not valid base64: {error}") from error
        elif isinstance(value, str):
            value = path.parent / value
        elif value is None:
            raise DataError("field 'image' is missing.")
        try:
            return open_image(value, max_pixels=self.max_pixels)
        except GartkError as error:
            raise DataError(f"field 'image': {error}") from error

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


def _masks(value: Any, image_hw: tuple[int, int]) -> list[BoolMask]:
    if value is None:
        return [np.ones(image_hw, dtype=bool)]
    rles = [value] if isinstance(value, Mapping) else value
    if not isinstance(rles, Sequence) or isinstance(rles, str) or not rles:
        raise DataError(f"field 'mask_rle' must be a COCO RLE or a list of them; got {type(value).__name__}.")
    masks = []
    for number, rle in enumerate(rles):
        try:
            mask = decode_rle(rle)
        except GartkError as error:
            raise DataError(f"field 'mask_rle'[{number}]: {error}") from error
        if mask.shape != image_hw:
            raise DataError(
                f"field 'mask_rle'[{number}] is {mask.shape[0]}x{mask.shape[1]} (height x width),"
                f" the image {image_hw[0]}x{image_hw[1]}."
            )
        masks.append(mask)
    return masks
