"""Any chat model of transformers, of images and texts or of texts alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gartk.errors import CheckpointError, DataError
from gartk.evaluation.models.chat import CHAT_MODELS, ChatModel, ChatReply, one_line
from gartk.evaluation.models.pictures import to_pillow

if TYPE_CHECKING:
    from gartk.evaluation.models.chat import Part


@CHAT_MODELS.register()
class TransformersChatModel(ChatModel):
    """Asks a model on this machine through its own chat template, one question at a time, greedily.

    Args:
        model: a folder, or a name on the hub.
        name: what results call it; by default the last part of ``model``.
        sees_images: load it as an image-text-to-text model; False loads a model of texts alone.
        device: "auto" (a GPU if there is one), "cpu", "cuda" ...
        dtype: "auto" or None (as the weights are stored), "float32", "bfloat16" or "float16".
        max_side_px: pictures with a longer side are scaled down to it; None leaves that to the processor.

    Raises: CheckpointError if the model or its processor cannot be loaded, or it has no chat template.
    """

    def __init__(
        self,
        model: str,
        *,
        name: str | None = None,
        sees_images: bool = True,
        device: str = "auto",
        dtype: str | None = "auto",
        max_side_px: int | None = None,
    ) -> None:
        self.name = name or model.rstrip("/").rpartition("/")[2]
        self.sees_images = sees_images
        self._source = model
        self._dtype = dtype or "auto"
        self._max_side_px = max_side_px
        self._lock = threading.Lock()
        self._load(device)

    def _load(self, device: str) -> None:
        import transformers

        from gartk.models.placement import resolve_device

        kind = "an image-text-to-text model" if self.sees_images else "a model of texts"
        loaders: tuple[Any, Any] = (transformers.AutoTokenizer, transformers.AutoModelForCausalLM)
        if self.sees_images:
            loaders = (transformers.AutoProcessor, transformers.AutoModelForImageTextToText)
        try:
            self._processor: Any = loaders[0].from_pretrained(self._source)
            model: Any = loaders[1].from_pretrained(self._source, dtype=self._dtype)
        except Exception as error:
            raise CheckpointError(
                f"{self._source!r} cannot be loaded as {kind} ({one_line(error)}). Give a hub id, or a folder"
                " with config.json, *.safetensors, the processor's and the tokenizer's files;"
                " sees_images=False loads a model of texts alone."
            ) from error
        if not getattr(self._processor, "chat_template", None):
            raise CheckpointError(
                f"The processor of {self._source!r} has no chat template, so questions cannot be written."
                " Choose the instruction-tuned model of the family."
            )
        self._model = model.to(resolve_device(device)).eval()

    def about(self) -> dict[str, Any]:
        """Return what changes its replies."""
        about = {"kind": "transformers", "model": self._source, "dtype": self._dtype}
        return {**about, "max_side_px": self._max_side_px}

    def reply(self, parts: Sequence[Part], *, system: str = "", max_new_tokens: int) -> ChatReply:
        """Return the model's reply; none where it fails on the question (too many pictures, no memory).

        Raises: DataError for a picture where the model reads texts alone.
        """
        messages = [{"role": "user", "content": self._content(parts)}]
        if system:
            messages.insert(0, {"role": "system", "content": self._content([system])})
        try:
            with self._lock:
                text, count = self._generate(messages, max_new_tokens)
        except (RuntimeError, ValueError) as error:
            return ChatReply(None, one_line(error))
        finish = "stop" if count < max_new_tokens else "length"
        return ChatReply(text, details={"num_new_tokens": count, "finish": finish})

    def _generate(self, messages: list[dict[str, Any]], max_new_tokens: int) -> tuple[str, int]:
        """Decode greedily: the text and its number of tokens. Pictures get the number type of the weights."""
        import torch

        inputs = self._processor.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        ).to(self._model.device)
        dtype = self._model.dtype
        tensors = {name: t.to(dtype) if t.is_floating_point() else t for name, t in inputs.items()}
        with torch.inference_mode():
            ids = self._model.generate(**tensors, max_new_tokens=max_new_tokens, do_sample=False, num_beams=1)
        new = ids[0, inputs["input_ids"].shape[1] :]
        return str(self._processor.decode(new, skip_special_tokens=True)).strip(), len(new)

    def _content(self, parts: Sequence[Part]) -> Any:
        """Write parts as the template of a model with eyes wants them, or as one text."""
        if self.sees_images:
            return [self._part(part) for part in parts]
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) < len(parts):
            raise DataError(f"{self.name} was loaded as a model of texts and cannot be shown a picture.")
        return "\n".join(texts)

    def _part(self, part: Part) -> dict[str, Any]:
        if isinstance(part, str):
            return {"type": "text", "text": part}
        picture = to_pillow(part, max_side_px=self._max_side_px).convert("RGB")
        return {"type": "image", "image": picture}
