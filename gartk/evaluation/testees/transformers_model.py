"""Any image-text-to-text model of transformers as a model under test."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gartk.errors import CheckpointError, DataError, RegionError
from gartk.evaluation.item import Item, TokenLimit, token_limit
from gartk.evaluation.pictures import ImageFinder
from gartk.evaluation.testees.base import Answer
from gartk.evaluation.testees.pictures import to_pillow
from gartk.evaluation.testees.seeing import Eyes
from gartk.evaluation.testees.visual_prompts import VisualPrompt

if TYPE_CHECKING:
    from gartk.evaluation.testees.endpoint import Part

_MAX_PROBLEM = 200


class TransformersTestee:
    """Asks a model with its own processor and chat template, one item after the other, greedily.

    Args:
        source: a hub id or a folder.
        find_image: where an item's image lies.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``...
        dtype: ``"auto"`` (the checkpoint's), ``"float32"``, ``"bfloat16"``, ``"float16"``.
        visual_prompt: how regions are shown.
        max_side_px: larger pictures are scaled down to it; None leaves that to the processor.

    Raises: CheckpointError if the model or its processor cannot be loaded, or it has no chat template.
    """

    def __init__(
        self,
        source: str,
        find_image: ImageFinder,
        *,
        device: str = "auto",
        dtype: str = "auto",
        visual_prompt: VisualPrompt | None = None,
        max_side_px: int | None = None,
    ) -> None:
        self.name = source
        self.visual_prompt = visual_prompt or VisualPrompt()
        self._dtype = dtype
        self._max_side_px = max_side_px
        self._eyes = Eyes(find_image)
        self._load(source, device)

    def _load(self, source: str, device: str) -> None:
        from transformers import AutoModelForImageTextToText, AutoProcessor

        from gartk.models.placement import resolve_device

        try:
            self.processor: Any = AutoProcessor.from_pretrained(source)
            model: Any = AutoModelForImageTextToText.from_pretrained(source, dtype=self._dtype)
        except Exception as error:
            raise CheckpointError(
                f"{source!r} cannot be loaded as an image-text-to-text model ({_line(error)}). Give a hub id,"
                " or a folder with config.json, *.safetensors, the processor's and the tokenizer's files."
            ) from error
        if not getattr(self.processor, "chat_template", None):
            raise CheckpointError(
                f"The processor of {source!r} has no chat template, so its questions cannot be written."
                " Choose the instruction-tuned model of the family."
            )
        self.model = model.to(resolve_device(device)).eval()

    def about(self) -> dict[str, Any]:
        """Say what changes its answers."""
        own = {"kind": "transformers", "model": self.name, "dtype": self._dtype}
        return {**own, "max_side_px": self._max_side_px, **self.visual_prompt.about()}

    def answers(self, items: Sequence[Item], *, max_new_tokens: TokenLimit) -> Iterator[Answer]:
        """Answer the items in order; one that the model fails on (too many pictures, no memory) has none."""
        for item in items:
            began = time.perf_counter()
            try:
                parts = self.visual_prompt.parts(item, self._eyes.look(item))
            except (DataError, RegionError) as error:
                yield Answer(item, None, str(error), time.perf_counter() - began)
                continue
            limit = token_limit(max_new_tokens, item)
            try:
                text, count = self.ask(parts, max_new_tokens=limit)
            except (RuntimeError, ValueError) as error:
                yield Answer(item, None, _line(error), time.perf_counter() - began)
                continue
            details = {"num_new_tokens": count, "finish": "stop" if count < limit else "length"}
            yield Answer(item, text, "", time.perf_counter() - began, details)

    def ask(self, parts: Sequence[Part], *, max_new_tokens: int) -> tuple[str, int]:
        """Ask one question of texts and pictures; give the reply and its number of tokens."""
        import torch

        content = [self._content(part) for part in parts]
        inputs = self.processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self.model.device, dtype=self.model.dtype)
        with torch.inference_mode():
            ids = self.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
        new = ids[0, inputs["input_ids"].shape[1] :]
        return self.processor.decode(new, skip_special_tokens=True).strip(), len(new)

    def _content(self, part: Part) -> dict[str, Any]:
        if isinstance(part, str):
            return {"type": "text", "text": part}
        picture = to_pillow(part, max_side_px=self._max_side_px).convert("RGB")
        return {"type": "image", "image": picture}


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:_MAX_PROBLEM]}"
