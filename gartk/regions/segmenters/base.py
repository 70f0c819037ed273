"""What a segmenter is, and how one is built from a name or a config."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError
from gartk.registry import PartRegistry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_SEGMENTER = "GrabCutSegmenter"


class Segmenter(ABC):
    """Turns clicked points, and a box if there is one, into a mask.

    ``rough`` says that its masks are guesses that are often wrong, so that regions made from them
    can be marked.
    """

    rough: bool

    @abstractmethod
    def segment(
        self,
        image: NDArray[np.uint8],
        *,
        points: Sequence[tuple[float, float]],
        labels: Sequence[int],
        box: Sequence[float] | None = None,
    ) -> NDArray[np.bool_]:
        """Guess the mask of the object that the points name.

        Shapes: image (H, W, 3); points (P, 2) of (x, y); labels (P,), 1 inside and 0 outside; box
        (x0, y0, x1, y1), maximum exclusive; returns (H, W). Units: pixels of the image.
        """


def build_segmenter(spec: Segmenter | str | Mapping[str, Any] | None = None) -> Segmenter:
    """Return the segmenter that a name, a config dict or nothing (the default) stands for.

    Raises: ConfigError if the name is unknown, an argument does not fit or it is no segmenter.
    """

    if spec is None or isinstance(spec, str):
        spec = {"type": DEFAULT_SEGMENTER if spec is None else spec}
    built = SEGMENTERS.build(dict(spec)) if isinstance(spec, Mapping) else spec
    if not isinstance(built, Segmenter):
        raise ConfigError(
            f"{type(built).__name__} is no segmenter:"
            " derive it from Segmenter, with segment(image, *, points, labels, box) and 'rough'."
        )
    return built


def default_segmenter() -> Segmenter:
    """Build the segmenter that works offline: GrabCut. Its masks are rough."""
    return build_segmenter(DEFAULT_SEGMENTER)


SEGMENTERS: PartRegistry[Segmenter] = PartRegistry(
    "SEGMENTERS", base="gartk.regions.segmenters.base:Segmenter", locations=["gartk.regions.segmenters"]
)
