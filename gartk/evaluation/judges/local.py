"""A judge that is a transformers model on this machine, with or without eyes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError, JudgeError
from gartk.evaluation.judges.asking import AskingJudge
from gartk.registry import JUDGES

if TYPE_CHECKING:
    from gartk.evaluation.judgements import JudgeQuestion


@JUDGES.register()
class TransformersJudge(AskingJudge):
    """Asks a model of transformers, a chat model of texts or one of texts and images; decoding is greedy.

    Args:
        model: a folder, or a name on the hub.
        name: what its verdicts are recorded under; the folder's or the hub's name where it is left out.
        sees_images: load it as an image-text-to-text model and show it the pictures.
        device: "auto" (a GPU if there is one), "cpu", "cuda" ...
        dtype: "auto" (as the weights are stored), "float32", "bfloat16" or "float16".
        max_side_px: pictures with a longer side are scaled down to it.

    Raises: ConfigError if the model cannot be loaded, or has no chat template.
    """

    def __init__(
        self,
        *,
        model: str,
        name: str | None = None,
        sees_images: bool = False,
        device: str = "auto",
        dtype: str = "auto",
        max_side_px: int | None = None,
    ) -> None:
        super().__init__(name=name or model.rstrip("/").rpartition("/")[2], sees_images=sees_images)
        self._lock = threading.Lock()
        self._max_side_px = max_side_px
        self._processor, self._model = _load(model, sees_images=sees_images, device=device, dtype=dtype)

    def ask(self, question: JudgeQuestion) -> str:
        """Let the model reply.

        Raises: JudgeError if the model fails on the question (too long, no memory).
        """
        import torch

        try:
            with self._lock, torch.inference_mode():
                inputs = self._inputs(question)
                made = self._model.generate(
                    **inputs, max_new_tokens=question.max_tokens, do_sample=False, num_beams=1
                )
        except (RuntimeError, ValueError) as error:
            raise JudgeError(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
        new = made[0, inputs["input_ids"].shape[1] :]
        return str(self._processor.decode(new, skip_special_tokens=True)).strip()

    def _inputs(self, question: JudgeQuestion) -> dict[str, Any]:
        """Write the question in the model's markup; pictures get the number type of its weights."""
        inputs = self._processor.apply_chat_template(
            self._messages(question),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self._model.device)
        number = self._model.dtype
        return {name: t.to(number) if t.is_floating_point() else t for name, t in inputs.items()}

    def _messages(self, question: JudgeQuestion) -> list[dict[str, Any]]:
        content: Any = question.text if not self.sees_images else [self._part(p) for p in question.parts]
        system: Any = question.system
        if self.sees_images:
            system = [{"type": "text", "text": system}]
        head = [{"role": "system", "content": system}] if question.system else []
        return [*head, {"role": "user", "content": content}]

    def _part(self, part: Any) -> dict[str, Any]:
        from gartk.evaluation.testees.pictures import to_pillow

        if isinstance(part, str):
            return {"type": "text", "text": part}
        return {"type": "image", "image": to_pillow(part, max_side_px=self._max_side_px).convert("RGB")}


def _load(model: str, *, sees_images: bool, device: str, dtype: str) -> tuple[Any, Any]:
    """Load the processor (the tokenizer, for texts alone) and the model."""
    import torch
    import transformers

    loaded: Any
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        if sees_images:
            processor = transformers.AutoProcessor.from_pretrained(model)
            loaded = transformers.AutoModelForImageTextToText.from_pretrained(model, dtype=dtype)
        else:
            processor = transformers.AutoTokenizer.from_pretrained(model)
            loaded = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=dtype)
    except (OSError, ValueError, KeyError) as error:
        kind = "images and texts" if sees_images else "texts"
        raise ConfigError(f"The judge {model!r} cannot be loaded as a model of {kind}: {error}") from error
    if not getattr(processor, "chat_template", None):
        raise ConfigError(f"The judge {model!r} has no chat template; a judge must be a chat model.")
    return processor, loaded.to(device).eval()
