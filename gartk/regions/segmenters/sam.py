"""SAM through transformers: a good mask from a click, once its weights are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gartk.errors import ConfigError
from gartk.regions.segmenters.base import SEGMENTERS, Segmenter

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@SEGMENTERS.register()
class SamSegmenter(Segmenter):
    """Segment with a SAM checkpoint; loaded at the first call and kept.

    Args:
        weights: a Hub id or a local folder in transformers' layout (config, weights, processor).
        device: where the model runs, as torch names it.
    """

    rough = False
    _model_class = "SamModel"
    _processor_class = "SamProcessor"

    def __init__(self, *, weights: str = "facebook/sam-vit-base", device: str = "cpu") -> None:
        self.weights = weights
        self.device = device
        self._loaded: tuple[Any, Any] | None = None

    def segment(
        self,
        image: NDArray[np.uint8],
        *,
        points: Sequence[tuple[float, float]],
        labels: Sequence[int],
        box: Sequence[float] | None = None,
    ) -> NDArray[np.bool_]:
        """Segment what the points and the box name; see ``Segmenter``.

        A single point is ambiguous, so SAM's three proposals are asked for and the one that it
        scores highest is taken; otherwise it makes one.
        Raises: ConfigError if the weights are absent.
        """
        import torch

        model, processor = self._load()
        prompts: dict[str, Any] = {}
        if len(points):
            prompts["input_points"] = [[[[float(x), float(y)] for x, y in points]]]
            prompts["input_labels"] = [[[int(mark) for mark in labels]]]
        if box is not None:
            prompts["input_boxes"] = [[[float(v) for v in box]]]
        inputs = processor(images=image, return_tensors="pt", **prompts)
        inputs = inputs.to(self.device)
        for key in ("input_points", "input_boxes"):
            if key in inputs:
                inputs[key] = inputs[key].to(torch.float32)
        sizes = {key: inputs.pop(key) for key in ("original_sizes", "reshaped_input_sizes") if key in inputs}
        ambiguous = len(points) == 1 and box is None
        with torch.inference_mode():
            output = model(**inputs, multimask_output=ambiguous)
        masks = self._full_size(processor, output.pred_masks.float().cpu(), sizes)
        best = int(output.iou_scores.reshape(-1).argmax())
        chosen = masks.reshape(-1, *image.shape[:2])[best]
        return np.asarray(chosen.numpy(), dtype=np.bool_)

    def _full_size(self, processor: Any, masks: Tensor, sizes: dict[str, Tensor]) -> Tensor:
        """Undo SAM's padding and resizing: (1, 1, N, h, w) logits to (1, N, H, W) bool."""
        done: Tensor = processor.image_processor.post_process_masks(
            masks, sizes["original_sizes"].cpu(), sizes["reshaped_input_sizes"].cpu()
        )[0]
        return done

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            import transformers

            model_class = getattr(transformers, self._model_class)
            processor_class = getattr(transformers, self._processor_class)
            try:
                model = model_class.from_pretrained(self.weights)
                processor = processor_class.from_pretrained(self.weights)
            except (OSError, ValueError) as error:
                raise ConfigError(
                    f"{type(self).__name__} cannot load its weights from {self.weights!r}:"
                    f" {_first_line(error)}\n"
                    f"  Get them with: hf download {_example(self.weights, type(self))} --local-dir FOLDER,"
                    f" then pass dict(type='{type(self).__name__}', weights='FOLDER'), or give gartk describe"
                    f" --segmenter {type(self).__name__} --segmenter-arg weights=FOLDER.\n"
                    "  Without them, 'GrabCutSegmenter' works offline (rough)."
                ) from error
            self._loaded = model.to(self.device).eval(), processor
        return self._loaded


def _example(weights: str, kind: type[SamSegmenter]) -> str:
    """Return the hub id to download: the one asked for if it looks like one, else the default."""
    if weights.count("/") == 1 and not weights.startswith((".", "/", "~")):
        return weights
    import inspect

    return str(inspect.signature(kind).parameters["weights"].default)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
