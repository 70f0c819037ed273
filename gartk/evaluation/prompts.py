"""What models are asked, benchmark by benchmark: the one place where the wording stands.

Regions are called ``<Prompt0>``, ``<Prompt1>``, ... in the order of an item's masks. The wording of the
benchmarks is the published one, as the scripts of each send it to a model.

Source: the evaluation scripts of Grasp Any Region, VideoRefer, Osprey and lmms-eval.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gartk.errors import DataError, did_you_mean
from gartk.evaluation.scoring import dlc_bench, ferret_bench, gar_bench, mdvp_bench, video_refer
from gartk.evaluation.scoring.choices import option_spans, options_of
from gartk.evaluation.scoring.items import Item

PROMPT = "prompt"
DESCRIBE_REGION = "Describe this masked region in detail."
DESCRIBE_RELATION = "Describe <Prompt0> in detail, including the relationship with <Prompt1>."
NAME_REGION = "What is the category of <Prompt0>? Using only one word or phrase."
DESCRIBE_IN_VIDEO = "Please give a detailed description of the highlighted object [<Prompt0>] in the video."
LETTER_ONLY = "Answer with the correct option's letter directly."
LETTER_FROM_CHOICES = "Answer with the option's letter from the given choices directly."

_REGION_MARK = re.compile(r"\[?<region>\]?")


def with_prompt(item: Item) -> Item:
    """Give an item with what a model is to be asked about it, under ``extra["prompt"]``.

    Raises: DataError if the benchmark is unknown or the item lacks its question.
    """
    return replace(item, extra={**item.extra, PROMPT: build_prompt(item)})


def asked(item: Item) -> str:
    """Give what a model is asked about an item, as its loader built it."""
    prompt = item.extra.get(PROMPT)
    return prompt if isinstance(prompt, str) else build_prompt(item)


def build_prompt(item: Item) -> str:
    """Write what a model is asked about an item.

    Raises: DataError if the benchmark is unknown or the item lacks its question.
    """
    builder = BUILDERS.get(item.benchmark)
    if builder is None:
        raise DataError(
            f"There are no prompts for {item.benchmark!r}. {did_you_mean(item.benchmark, BUILDERS)}"
        )
    return builder(item)


def _question(item: Item) -> str:
    if not item.question.strip():
        raise DataError(f"{item.benchmark} item {item.id}: it has no question to ask.")
    return item.question


def _gar_vqa(item: Item) -> str:
    lines = [f"Question: {_question(item)}", "Options:", *item.extra["choices"], LETTER_ONLY]
    return "\n".join(lines)


def _gar_cap(item: Item) -> str:
    return DESCRIBE_RELATION if item.task == gar_bench.DETAILED else _question(item)


def _video_q(item: Item) -> str:
    options = " ".join(item.extra["options"])
    return f"{name_regions(_question(item))} {options}. {LETTER_FROM_CHOICES}"


def name_regions(question: str) -> str:
    """Put ``[<Prompt0>]``, ``[<Prompt1>]``... where a question of VideoRefer-Q marks its regions."""
    parts = _REGION_MARK.split(question)
    marks = [f"[<Prompt{number}>]" for number in range(len(parts) - 1)] + [""]
    return "".join(part + mark for part, mark in zip(parts, marks, strict=True))


def _lettered(item: Item) -> str:
    """A question with its options on lines of their own, whichever way they were written in it."""
    return f"{lettered_question(_question(item), list(options_of(item).values()))}\n{LETTER_FROM_CHOICES}"


def lettered_question(question: str, options: Sequence[str]) -> str:
    """Give a question with its options as lines "A. text"; options written in it are left out there."""
    spans = option_spans(question)
    stem = re.sub(r"\s*\(?[Aa][.):]\s*$", "", question[: spans[0][0]]) if spans else question
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return "\n".join([stem.strip(), *(f"{k}. {text}" for k, text in zip(letters, options, strict=False))])


def _mmstar(item: Item) -> str:
    return f"{_question(item)}\n{LETTER_FROM_CHOICES.rstrip('.')}"


Builder = Callable[[Item], str]
BUILDERS: Mapping[str, Builder] = {
    gar_bench.VQA.benchmark: _gar_vqa,
    gar_bench.CAPTION.benchmark: _gar_cap,
    dlc_bench.BENCHMARK: lambda _: DESCRIBE_REGION,
    ferret_bench.REVIEW.benchmark: lambda _: DESCRIBE_REGION,
    mdvp_bench.CAPTION.benchmark: lambda _: DESCRIBE_REGION,
    video_refer.D.benchmark: lambda _: DESCRIBE_IN_VIDEO,
    video_refer.Q.benchmark: _video_q,
    "lvis": lambda _: NAME_REGION,
    "paco": lambda _: NAME_REGION,
    "vstar": _lettered,
    "mmvp": _lettered,
    "realworldqa": _question,
    "mmstar": _mmstar,
}

# ------------------------------------------------------------------ for models that know no masks
# Our own sentences: the scripts that the paper asked general models with are not published.

WHOLE_IMAGE = "1. The whole image:"
CROP = "{number}. The part of the image around {name}:"
CROP_MASK = "{number}. The mask of {name} in that part; the region is white:"
OUTLINED = "{name} is the region outlined in {colour}{label}."
BOXED = "{name} is the region in the {colour} box{label}."
CROSSED = "{name} is the region with the {colour} cross at its centre{label}."
LABELLED = " and labelled {label}"
THE_REGION = "The masked region"
VIDEO_FRAMES = "{count} frames of a video, in order:"
MARKED_FRAME = "The frame in which the regions are marked:"


def region_name(question: str, number: int) -> str:
    """Give what a question calls a region: ``<Prompt i>``, or "The masked region" if it names none."""
    return f"<Prompt{number}>" if "<Prompt" in question else THE_REGION
