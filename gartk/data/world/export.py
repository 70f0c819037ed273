"""Writing RegionWorld as a Hugging Face dataset in the training layout of Grasp Any Region.

A record has ``image`` (PNG), ``mask_rle`` (a list of COCO RLE; entry i is ``<Prompt i>``) and
``conversations`` (a list of ``{"from": "human" | "gpt", "value": text}``), as in the release's training data;
``id`` and ``meta`` (JSON) come on top.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gartk.data.world.dataset import RegionWorldDataset
from gartk.data.world.sheet import png_bytes
from gartk.errors import ConfigError, DataError
from gartk.regions.masks import encode_rle
from gartk.structures import Sample

SPEAKER = {"user": "human", "assistant": "gpt"}


def to_record(sample: Sample) -> dict[str, Any]:
    """One sample in the training layout, its image as PNG bytes."""
    return {
        "id": sample.id,
        "image": {"bytes": png_bytes(np.asarray(sample.image)), "path": None},
        "mask_rle": [_rle(pair.region.mask) for pair in sample.pairs()],
        "conversations": [{"from": SPEAKER[turn.role], "value": turn.text} for turn in sample.turns],
        "meta": json.dumps(sample.meta),
    }


def _rle(mask: np.ndarray) -> dict[str, Any]:
    rle = encode_rle(mask)
    return {"size": [int(side) for side in rle["size"]], "counts": str(rle["counts"])}


def write_world(data: RegionWorldDataset, out: str | Path) -> Path:
    """Write a dataset to a new folder, to be read with ``datasets.load_from_disk``.

    Raises: ConfigError if ``datasets`` is not installed; DataError if the folder exists and is not empty.
    """
    try:
        from datasets import Dataset, Features, Image, Value
    except ImportError as error:
        raise ConfigError(
            "writing RegionWorld to disk needs the package 'datasets', which is not installed."
            " Run: pip install 'gartk[data]'"
        ) from error
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} exists and is not an empty folder. Give a new one, or remove it first.")
    features = Features(
        {
            "id": Value("string"),
            "image": Image(),
            "mask_rle": [{"size": [Value("int32")], "counts": Value("string")}],
            "conversations": [{"from": Value("string"), "value": Value("string")}],
            "meta": Value("string"),
        }
    )

    def records() -> Iterator[dict[str, Any]]:
        for index in range(len(data)):
            yield to_record(data[index])

    out.parent.mkdir(parents=True, exist_ok=True)
    # datasets first streams to its cache; a folder beside the target keeps it off the home directory.
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as cache:
        made = Dataset.from_generator(records, features=features, cache_dir=cache, fingerprint=_name(data))
        part = Path(cache) / "done"
        made.save_to_disk(part)
        del made
        if out.exists():
            out.rmdir()
        shutil.move(part, out)
    return out


def _name(data: RegionWorldDataset) -> str:
    """A stable name for the data, so that ``datasets`` writes the same bytes each time."""
    return f"world-{data.split}-{data.seed}-{data.index_offset}-{data.turns_per_sample}"
