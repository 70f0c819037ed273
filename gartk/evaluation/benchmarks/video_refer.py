"""VideoRefer-Bench: D (descriptions of one object in a video, judged) and Q (multiple choice)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from gartk.evaluation.benchmarks.published import PublishedBenchmark
from gartk.evaluation.judges.pictures import ImageFinder
from gartk.evaluation.prompts import with_prompt
from gartk.evaluation.scoring import video_refer
from gartk.evaluation.scoring.items import Item
from gartk.registry import BENCHMARKS


class _VideoRefer(PublishedBenchmark):
    """What both have in common: the folder, and videos that are files or folders of frames."""

    folder = "videorefer_bench"
    source = "DAMO-NLP-SG/VideoRefer-Bench on the Hugging Face hub, videos from where its README says"
    annotations: str
    read: Callable[[Iterable[str | Path]], list[Item]]

    def load(self, root: Path) -> list[Item]:
        """Read the annotations."""
        return [with_prompt(item) for item in type(self).read([self.file(root, self.annotations)])]

    def find_image(self, root: Path) -> ImageFinder:
        """Find an item's video: a file, or a folder of frames."""
        home = root / self.folder
        folders = (home, home / "videos", home / "Panda-70M-part", root)

        def find(item: Item) -> Path | None:
            paths = [folder / item.image for folder in folders] if item.image else []
            return next((path for path in paths if path.exists()), None)

        return find

    def publish(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Give the annotations with ``pred``, and ``reply`` where a judge said something."""
        return [video_refer.to_published(item) for item in items]


@BENCHMARKS.register()
class VideoReferDBenchmark(_VideoRefer):
    """VideoRefer-Bench-D: 400 descriptions that a judge rates in four dimensions."""

    name = video_refer.D.benchmark
    annotations = "VideoRefer-Bench-D.json"
    read = staticmethod(video_refer.read_d)


@BENCHMARKS.register()
class VideoReferQBenchmark(_VideoRefer):
    """VideoRefer-Bench-Q: 1,000 questions with options in five types."""

    name = video_refer.Q.benchmark
    annotations = "VideoRefer-Bench-Q.json"
    max_new_tokens = 16
    read = staticmethod(video_refer.read_q)
