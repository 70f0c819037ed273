"""A chat model of transformers with eyes, at toy size: model, processor and chat template in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.toy_qwen import save_toy_qwen2_5_vl, toy_qwen_tokenizer

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}"
    "{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SIDE_PX = 28


def save_toy_chat_model(folder: str | Path, *, seed: int = 0) -> None:
    """Save a Qwen2.5-VL with random weights as an instruction-tuned model lies on the hub.

    A picture becomes at most four cells.
    """
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    save_toy_qwen2_5_vl(folder, seed=seed)
    processor: Any = Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(min_pixels=_SIDE_PX**2, max_pixels=4 * _SIDE_PX**2),
        tokenizer=toy_qwen_tokenizer(),
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=CHAT_TEMPLATE,
    )
    processor.save_pretrained(folder)
