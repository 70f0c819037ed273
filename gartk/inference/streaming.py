"""An answer piece by piece, while it is being generated."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

from gartk.inference.batching import in_evaluation_mode, prepare_batch
from gartk.models.llms.causal_lm import markup_ids

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.models.llms.base import LanguageModel
    from gartk.models.region_vlm import Inputs, RegionVLM
    from gartk.structures import Sample


class _Cancelled(StoppingCriteria):
    """Stops generation once its reader has gone."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        return torch.full(
            (input_ids.shape[0],), self.event.is_set(), dtype=torch.bool, device=input_ids.device
        )


class _Streamer(TextIteratorStreamer):
    """Streams what ``CausalLM.decode`` keeps: prompts stay, also as special tokens, markup goes."""

    def __init__(self, llm: LanguageModel) -> None:
        super().__init__(llm.tokenizer, skip_special_tokens=False)
        self._markup = torch.tensor(sorted(markup_ids(llm.tokenizer, llm.tokens)))

    def put(self, value: Tensor) -> None:
        """Take the new ids of one row, without those of markup."""
        flat = value.flatten().cpu()
        super().put(flat[~torch.isin(flat, self._markup)])


def stream_reply(
    model: RegionVLM,
    sample: Sample,
    *,
    max_new_tokens: int,
    options: Mapping[str, Any],
) -> Iterator[str]:
    """Encode a sample now, and give its answer piece by piece as it is generated in a thread.

    An error of the thread is raised where the pieces are read; a reader who stops early ends the thread.
    """
    model = in_evaluation_mode(model)
    processor = model.make_processor()
    batch = prepare_batch(model, [processor(sample)], pad_id=processor.pad_id)
    with torch.no_grad():
        inputs = model.inputs(batch)
    return _pieces(model, inputs, max_new_tokens, options, batch.input_ids[0])


def _pieces(
    model: RegionVLM,
    inputs: Inputs,
    max_new_tokens: int,
    options: Mapping[str, Any],
    asked: Tensor,
) -> Iterator[str]:
    streamer = _Streamer(model.llm)
    cancelled = _Cancelled()
    failure: list[BaseException] = []

    def work() -> None:
        try:
            # Gradient mode belongs to a thread, so it is switched off in this one too.
            with torch.no_grad():
                model.llm.generate(
                    *inputs,
                    max_new_tokens=max_new_tokens,
                    streamer=streamer,
                    stopping_criteria=StoppingCriteriaList([cancelled]),
                    **options,
                )
        except BaseException as error:
            failure.append(error)
            streamer.end()

    # What belongs to the caller's context, such as a plugin's own variables, holds in the thread too.
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), name="gartk-stream", daemon=True)
    thread.start()
    started = False
    held = ""
    try:
        for raw in streamer:
            piece = model.name_regions(raw, asked)
            # ``ask`` strips its text: leave the first blanks out, and hold blanks back until more follows.
            text = held + (piece if started else piece.lstrip())
            kept = text.rstrip()
            held = text[len(kept) :]
            if kept:
                started = True
                yield kept
        thread.join()
        if failure:
            raise failure[0]
    finally:
        cancelled.event.set()
        thread.join()
