"""Asking a model about regions: load it once, describe regions, ask questions, one or many at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from gartk.data.prompting import unknown_prompts
from gartk.errors import DataError
from gartk.inference.batching import answer_samples, sampling_options
from gartk.inference.loading import load_any
from gartk.inference.questions import Request, is_many, read_all_targets, read_question, read_requests
from gartk.inference.streaming import stream_reply
from gartk.structures import Answer

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL import Image

    from gartk.models.region_vlm import Generated, RegionVLM

    ImageSource = str | os.PathLike[str] | bytes | bytearray | Image.Image | np.ndarray

MAX_NEW_TOKENS = 256
BATCH_SIZE = 8


def load(
    source: str | os.PathLike[str],
    *,
    device: str = "auto",
    dtype: str | torch.dtype | None = None,
    device_map: str | dict[str, Any] | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    release_compat: Mapping[str, bool] | None = None,
) -> RegionAssistant:
    """Load a model to describe regions and answer questions about them.

    Args:
        source: ``"tiny"`` (shipped with the package), a checkpoint folder, a work dir of
            ``gartk train`` (its newest checkpoint), or a config file (.py), whose model is built with
            the pretrained weights it names; a UserWarning tells where it names none. The folder may
            also be of the authors' release (``"HaochenWang/GAR-1B"`` on the hub) or exported for
            transformers.
        device: ``"auto"`` (a GPU if there is one), ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        dtype: ``"float32"``, ``"bfloat16"``, ``"float16"`` or a torch dtype; None leaves the weights as
            they are built.
        device_map: spreads a large model over devices, in place of ``device``: ``"auto"``, or module
            names to devices, as accelerate reads it.
        cfg_options: changes to a config file, by dotted path.
        release_compat: single deviations of the release to switch on or off; a checkpoint has its own,
            and the release's are on as its weights were trained (see ``gartk.compat``).

    Raises: CheckpointError if the weights are missing or do not fit; ConfigError.
    """
    model, origin = load_any(
        source,
        device=device,
        dtype=dtype,
        device_map=device_map,
        cfg_options=cfg_options,
        release_compat=release_compat,
    )
    return RegionAssistant(model, origin=origin)


class RegionAssistant:
    """A loaded model that describes regions and answers questions about them.

    An image is a path, bytes, Pillow image or array (see ``gartk.regions.images.open_image``). A region is a
    Region, or anything that ``Region.parse`` takes: a mask, a box, an RLE, ``{'points': [[x, y]]}``...
    Region i is ``<Prompt i>`` in questions and answers. Decoding is greedy unless a temperature is
    given; a seed then makes it repeatable for the same call. Any number of threads and tasks may ask one
    assistant, or several of one model, also while it trains: prompts, seeds and the mode belong to a call.

    Args:
        model: the model; it is used as it is, on its device.
        origin: where it came from, for reports.
        batch_size: how many questions go through the model at once.
    """

    def __init__(self, model: RegionVLM, *, origin: str = "", batch_size: int = BATCH_SIZE) -> None:
        self.model = model
        self.origin = origin
        self.batch_size = batch_size

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.device

    @property
    def max_regions(self) -> int:
        """How many regions one question can name."""
        return len(self.model.llm.region_ids)

    @property
    def describe_question(self) -> str:
        """What ``describe`` asks unless told otherwise."""
        return self.model.describe_question

    @overload
    def describe(self, image: ImageSource, regions: Any, *, question: str | None = ...,
                 max_new_tokens: int = ..., temperature: float | None = ..., top_p: float | None = ...,
                 seed: int | None = ...) -> list[Answer]: ...  # fmt: skip
    @overload
    def describe(self, *, images: Sequence[ImageSource], regions: Any, question: str | None = ...,
                 max_new_tokens: int = ..., temperature: float | None = ..., top_p: float | None = ...,
                 seed: int | None = ...) -> list[Answer]: ...  # fmt: skip
    @overload
    def describe(self, image: list[ImageSource], regions: Sequence[Any], *, question: str | None = ...,
                 max_new_tokens: int = ..., temperature: float | None = ..., top_p: float | None = ...,
                 seed: int | None = ...) -> list[list[Answer]]: ...  # fmt: skip

    def describe(
        self,
        image: Any = None,
        regions: Any = None,
        *,
        images: Sequence[ImageSource] | None = None,
        question: str | None = None,
        max_new_tokens: int = MAX_NEW_TOKENS,
        temperature: float | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> list[Answer] | list[list[Answer]]:
        """Describe regions one by one: an answer for each, in order; a list of lists for a list of images.

        ``images`` in place of ``image`` belong together, as in ``ask``.

        Every region is described on its own, as ``<Prompt0>`` of ``question``; the others do not count.
        Without a question it is the model's own, "Describe <Prompt0> in detail." unless it was trained with
        another.

        Raises: RegionError, DataError, naming the region and, for several images, the image.
        """
        targets = read_all_targets(image, regions, images)
        text, notes = read_question(self.describe_question if question is None else question, 1)
        alone = [Request(one.images, (region,), text, notes) for one in targets for region in one.regions]
        answers = iter(self._answer(alone, max_new_tokens, temperature, top_p, seed))
        grouped = [[next(answers) for _ in target.regions] for target in targets]
        return grouped if is_many(image) else grouped[0]

    @overload
    def ask(self, image: ImageSource, regions: Any, question: str, *, max_new_tokens: int = ...,
            temperature: float | None = ..., top_p: float | None = ..., seed: int | None = ...,
            ) -> Answer: ...  # fmt: skip
    @overload
    def ask(self, image: ImageSource | list[Any], regions: Any, question: str | list[str], *,
            max_new_tokens: int = ..., temperature: float | None = ..., top_p: float | None = ...,
            seed: int | None = ...) -> Answer | list[Answer]: ...  # fmt: skip
    @overload
    def ask(self, *, images: Sequence[ImageSource], regions: Any, question: str, max_new_tokens: int = ...,
            temperature: float | None = ..., top_p: float | None = ..., seed: int | None = ...,
            ) -> Answer: ...  # fmt: skip
    @overload
    def ask(self, *, images: Sequence[ImageSource], regions: Any, question: list[str],
            max_new_tokens: int = ..., temperature: float | None = ..., top_p: float | None = ...,
            seed: int | None = ...) -> list[Answer]: ...  # fmt: skip

    def ask(
        self,
        image: Any = None,
        regions: Any = None,
        question: Any = None,
        *,
        images: Sequence[ImageSource] | None = None,
        max_new_tokens: int = MAX_NEW_TOKENS,
        temperature: float | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Answer | list[Answer]:
        """Answer a question about regions, which it names ``<Prompt0>``, ``<Prompt1>``, ...

        A list of questions about one image is answered at once, the image encoded only once per
        batch. A list of images takes a list of as many region lists, and one question for all or as
        many questions. Either list gives a list of answers.

        ``images`` in place of ``image`` are pictures that every question is about, in the order in which
        the model reads them; each region says on which it is: ``{"image": 1, "box": [...]}``, a tuple of
        the number and anything that ``Region.parse`` takes, or a list of these for a region that is seen
        on several.

        Raises: RegionError, DataError, naming the region and, for several images, the image.
        """
        requests = read_requests(image, regions, question, limit=self.max_regions, together=images)
        answers = self._answer(requests, max_new_tokens, temperature, top_p, seed)
        return answers if is_many(image) or is_many(question) else answers[0]

    def stream(
        self,
        image: ImageSource | None = None,
        regions: Any = None,
        question: str = "",
        *,
        images: Sequence[ImageSource] | None = None,
        max_new_tokens: int = MAX_NEW_TOKENS,
        temperature: float | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Answer one question piece by piece; the pieces joined are the text that ``ask`` gives.

        The arguments are checked at the call, before the first piece is asked for.

        Raises: as ``ask``; DataError for lists.
        """
        if is_many(image) or is_many(question):
            raise DataError("stream answers one question about one image; use ask for lists.")
        request = read_requests(image, regions, question, limit=self.max_regions, together=images)[0]
        options = sampling_options(temperature=temperature, top_p=top_p, seed=seed)
        limit = _checked(max_new_tokens)
        return stream_reply(self.model, request.sample(), max_new_tokens=limit, options=options)

    def _answer(
        self,
        requests: Sequence[Request],
        max_new_tokens: int,
        temperature: float | None,
        top_p: float | None,
        seed: int | None,
    ) -> list[Answer]:
        replies = answer_samples(
            self.model,
            (request.sample() for request in requests),
            batch_size=self.batch_size,
            max_new_tokens=_checked(max_new_tokens),
            options=sampling_options(temperature=temperature, top_p=top_p, seed=seed),
        )
        return [_to_answer(q, reply.generated) for q, (_, reply) in zip(requests, replies, strict=True)]


def _checked(max_new_tokens: int) -> int:
    if max_new_tokens < 1:
        raise DataError(f"max_new_tokens must be at least 1; got {max_new_tokens}.")
    return max_new_tokens


def _to_answer(request: Request, generated: Generated) -> Answer:
    notes = request.warnings
    invented = list(dict.fromkeys(unknown_prompts(generated.text, len(request.regions))))
    if invented:
        notes = (*notes, f"The answer names {', '.join(invented)}, which no region stands for.")
    return Answer(
        text=generated.text,
        question=request.question,
        regions=request.regions,
        num_new_tokens=generated.num_new_tokens,
        stopped="end" if generated.ended else "length",
        warnings=notes,
    )
