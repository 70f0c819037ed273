"""What a published benchmark promises, and what all of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gartk.errors import ConfigError, did_you_mean
from gartk.evaluation.benchmarks.files import find_file, first_file
from gartk.evaluation.judges.pictures import ImageFinder
from gartk.evaluation.score import SCORERS
from gartk.evaluation.scoring.items import Item
from gartk.evaluation.verdicts import is_judged
from gartk.registry import BENCHMARKS


class PublishedBenchmark(ABC):
    """A benchmark with files of its own: items from them, their images, scores and files back.

    A subclass says its ``name`` (that of ``gartk.evaluation.score``), the ``folder`` below the data root,
    the ``source`` to get the files from, and how many tokens an answer may have.
    """

    name: str
    folder: str
    source: str
    max_new_tokens: int = 1024

    @property
    def size(self) -> int:
        """How many records it has as published."""
        return SCORERS[self.name].size

    @property
    def is_judged(self) -> bool:
        """Whether a judge is part of its score."""
        return is_judged(self.name)

    @abstractmethod
    def load(self, root: Path) -> list[Item]:
        """Read the items in the published order, each with its prompt (``gartk.evaluation.prompts``).

        Raises: DataError naming file, record and field, or what to get from where.
        """

    def image_folders(self, root: Path) -> Sequence[Path]:
        """Where its images may lie."""
        return (root / self.folder, root / self.folder / "images")

    def find_image(self, root: Path) -> ImageFinder:
        """Give what finds the image of an item; None for one that is not there."""
        folders = self.image_folders(root)
        return lambda item: first_file(folders, item.image) if item.image else None

    def file(self, root: Path, *names: str) -> Path:
        """Find one of its files.

        Raises: DataError that says what to get from where.
        """
        return find_file(root, self.folder, names, source=self.source)

    def score(self, items: Sequence[Item]) -> dict[str, Any]:
        """Score items; see the scorers of ``gartk.evaluation.scoring``."""
        return SCORERS[self.name].score(items)

    @abstractmethod
    def publish(self, items: Sequence[Item]) -> Any:
        """Give the items in the published layout of recorded outputs, as ``gartk.evaluation.score`` reads."""


# What a command line may write for a registered name, with its arguments.
SHORT_NAMES: Mapping[str, Mapping[str, Any]] = {
    "gar-vqa": {"type": "GARVQABenchmark"},
    "gar-cap": {"type": "GARCapBenchmark"},
    "gar-cap-simple": {"type": "GARCapBenchmark", "kind": "simple"},
    "gar-cap-detailed": {"type": "GARCapBenchmark", "kind": "detailed"},
    "dlc": {"type": "DLCBenchmark"},
    "ferret": {"type": "FerretBenchmark"},
    "mdvp": {"type": "MDVPBenchmark"},
    "videorefer-d": {"type": "VideoReferDBenchmark"},
    "videorefer-q": {"type": "VideoReferQBenchmark"},
    "lvis": {"type": "LVISBenchmark"},
    "paco": {"type": "PACOBenchmark"},
    "vstar": {"type": "VStarBenchmark"},
    "mmvp": {"type": "MMVPBenchmark"},
    "realworldqa": {"type": "RealWorldQABenchmark"},
    "mmstar": {"type": "MMStarBenchmark"},
}


def build_published(name: str) -> PublishedBenchmark:
    """Build a published benchmark by its short or its registered name.

    Raises: ConfigError if there is none of this name.
    """
    known = [*SHORT_NAMES, *(key for key in BENCHMARKS.names() if "." in key)]
    if name not in SHORT_NAMES and name not in BENCHMARKS:
        raise ConfigError(f"There is no benchmark {name!r}. {did_you_mean(name, known)}")
    built = BENCHMARKS.build(dict(SHORT_NAMES.get(name, {"type": name})), path="benchmark")
    if not isinstance(built, PublishedBenchmark):
        raise ConfigError(
            f"The benchmark {name!r} has no files of its own; run it with tools/test.py and a config."
        )
    return built
