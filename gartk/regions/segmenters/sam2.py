"""SAM 2 through transformers, on single images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gartk.regions.segmenters.base import SEGMENTERS
from gartk.regions.segmenters.sam import SamSegmenter

if TYPE_CHECKING:
    from torch import Tensor


@SEGMENTERS.register()
class Sam2Segmenter(SamSegmenter):
    """Segment with a SAM 2 checkpoint; loaded at the first call and kept.

    Args:
        weights: a Hub id or a local folder in transformers' layout (config, weights, processor).
        device: where the model runs, as torch names it.
    """

    _model_class = "Sam2Model"
    _processor_class = "Sam2Processor"

    def __init__(self, *, weights: str = "facebook/sam2.1-hiera-tiny", device: str = "cpu") -> None:
        super().__init__(weights=weights, device=device)

    def _full_size(self, processor: Any, masks: Tensor, sizes: dict[str, Tensor]) -> Tensor:
        """Resize (1, 1, N, h, w) logits to (1, N, H, W) bool; SAM 2 stretches and does not pad."""
        done: Tensor = processor.post_process_masks(masks, sizes["original_sizes"].cpu())[0]
        return done
