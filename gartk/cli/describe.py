"""Describe regions of an image, or ask about them.

    gartk describe photo.jpg --box 40,30,200,180 --point 320,240 --mask m.png
    gartk describe photo.jpg --rle records.json#12 --question "Is <Prompt0> behind <Prompt1>?"

Regions keep the order of the command line: the first is <Prompt0>. Without --question each region is
described on its own. A point or scribble becomes a mask through a segmenter and may be rough.
A value that begins with a minus needs '=': --box=-5,10,50,60.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.cli.arguments import MODEL, Options, add_device, add_dtype
from gartk.cli.report import Report
from gartk.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from gartk.inference.api import RegionAssistant
    from gartk.regions import Region
    from gartk.structures import Answer

REGION_FLAGS = (
    ("mask", "FILE", "a mask picture of the image's size: what is not black is inside"),
    ("box", "X0,Y0,X1,Y1", "pixels, maximum exclusive"),
    ("point", "X,Y", "a clicked pixel; several of one region as X,Y;X,Y;X,Y,0 (0: outside)"),
    ("scribble", "X,Y;X,Y;...", "a stroke drawn inside the region"),
    ("rle", "FILE[#PATH]", "COCO RLEs in a JSON file: an RLE, a list of them, or a record with mask_rles"),
)


class InOrder(argparse.Action):
    """Collects regions of all kinds in one list, in the order of the command line."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: Any = None
    ) -> None:
        """Add one region as (kind, text)."""
        namespace.regions = [*namespace.regions, (self.dest, values)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    parser.set_defaults(regions=[])
    add("image", help="a picture file")
    group = parser.add_argument_group("regions (repeatable, in order)")
    for flag, form, text in REGION_FLAGS:
        group.add_argument(f"--{flag}", action=InOrder, metavar=form, help=text, default=argparse.SUPPRESS)
    add("--question", help="what to ask; it names regions <Prompt0>, <Prompt1>, ...")
    add("--model", default="tiny", help=f"{MODEL} (default: tiny)")
    add("--segmenter", metavar="NAME", help="what turns points into masks (default: GrabCutSegmenter)")
    add(
        "--segmenter-arg",
        nargs="+",
        action=Options,
        metavar="KEY=VALUE",
        help="arguments of --segmenter: weights=FOLDER for SAM",
    )
    add("--out", metavar="FILE", help="picture with the regions and the text")
    add("--max-new-tokens", type=int, default=256, metavar="N")
    add("--temperature", type=float, help="sample instead of taking the likeliest word")
    add("--seed", type=int, default=0, help="of the sampling (default: 0)")
    add_device(parser)
    add_dtype(parser)


@dataclass(frozen=True)
class Described:
    """What was asked and said, for printing, JSON and the picture."""

    image: np.ndarray
    regions: tuple[Region, ...]
    answers: list[Answer]
    question: str | None

    def texts(self) -> list[str]:
        """Return the texts; a region described on its own was <Prompt0> there and gets its number here."""
        if self.question is not None:
            return [self.answers[0].text]
        return [answer.text.replace("<Prompt0>", f"<Prompt{i}>") for i, answer in enumerate(self.answers)]


def read_given(given: Sequence[tuple[str, str]], segmenter: Any) -> list[Any]:
    """Turn the regions of the command line into what ``Region.parse`` takes."""
    from gartk.cli.region_flags import read_box, read_point, read_rles, read_scribble

    if not given:
        raise ConfigError("No region was given. Use --mask, --box, --point, --scribble or --rle.")
    read: list[Any] = []
    for kind, text in given:
        if kind == "rle":
            read += read_rles(text)
        elif kind == "mask":
            read.append({"png": text})
        elif kind == "box":
            read.append(read_box(text))
        else:
            of_kind = read_point if kind == "point" else read_scribble
            read.append(of_kind(text, segmenter=segmenter))
    return read


def choose_segmenter(args: argparse.Namespace) -> Any:
    """Build the segmenter once for all regions, if one is needed and named."""
    if args.segmenter is None and not args.segmenter_arg:
        return None
    if args.segmenter is None:
        raise ConfigError("--segmenter-arg needs --segmenter NAME, such as SamSegmenter.")
    if not any(kind in ("point", "scribble") for kind, _ in args.regions):
        raise ConfigError("--segmenter turns points and scribbles into masks; neither was given.")
    from gartk.regions.segmenters import build_segmenter

    return build_segmenter({"type": args.segmenter, **(args.segmenter_arg or {})})


def run(args: argparse.Namespace) -> Report:
    """Read, load, answer and draw."""
    from gartk.inference.questions import read_regions
    from gartk.regions.images import open_image

    check_out(args.out)
    given = read_given(args.regions, choose_segmenter(args))
    image = open_image(args.image)
    regions = read_regions(given, image, limit=None)
    assistant = load_assistant(args)
    options = {"max_new_tokens": args.max_new_tokens}
    if args.temperature is not None:
        options |= {"temperature": args.temperature, "seed": args.seed}
    if args.question is None:
        answers = assistant.describe(image, list(regions), **options)
    else:
        answers = [assistant.ask(image, list(regions), args.question, **options)]
    outcome = Described(image, regions, answers, args.question)
    facts = image_facts(args.image, image, assistant)
    text = as_text(outcome, facts)
    if args.out:
        draw(outcome, args.out)
        text += f"\n\nwritten: {args.out}"
    return Report(as_dict(outcome, facts), lambda: print(text))


def load_assistant(args: argparse.Namespace) -> RegionAssistant:
    """Load the model with as many threads as the environment says, else one."""
    # What is imported and loaded stays, and going through it again and again takes a second.
    gc.disable()
    try:
        import gartk
        from gartk.engine.dist import set_threads

        assistant = gartk.load(args.model, device=args.device, dtype=args.dtype)
    finally:
        gc.enable()
    set_threads(None, assistant.device)
    return assistant


def image_facts(name: str, image: np.ndarray, assistant: RegionAssistant) -> dict[str, Any]:
    """Return how large the image is and how the model sees it, in words."""
    grid = assistant.model.vision.tiler.grid((image.shape[0], image.shape[1]))
    return {
        "image": name,
        "width": image.shape[1],
        "height": image.shape[0],
        "model": assistant.origin,
        "tiles": {
            "rows": grid.rows,
            "cols": grid.cols,
            "thumbnail": grid.thumbnail,
            "tile_hw": list(grid.tile_hw),
        },
        "feature_cells": list(grid.map_hw),
        "image_tokens": grid.num_tokens,
    }


def region_facts(region: Region) -> dict[str, Any]:
    """Return what a region is, in words."""
    return {
        "kind": region.kind,
        "box": [round(v, 2) for v in region.box_px],
        "area_px": region.area_px,
        "share": round(region.area_px / (region.image_hw[0] * region.image_hw[1]), 6),
        "rough": region.rough,
    }


def as_dict(outcome: Described, facts: dict[str, Any]) -> dict[str, Any]:
    """Return everything as plain values."""
    return {
        **facts,
        "regions": [region_facts(region) for region in outcome.regions],
        "question": outcome.question,
        "answers": [
            {
                "text": text,
                "stopped": a.stopped,
                "num_new_tokens": a.num_new_tokens,
                "warnings": list(a.warnings),
            }
            for text, a in zip(outcome.texts(), outcome.answers, strict=True)
        ],
    }


def as_text(outcome: Described, facts: dict[str, Any]) -> str:
    """Return everything as lines for a reader."""
    tiles = facts["tiles"]
    thumbnail = "" if tiles["thumbnail"] == "none" else " and a thumbnail"
    lines = [
        f"image   {facts['image']}: {facts['width']}x{facts['height']} px",
        f"tiles   {tiles['rows']}x{tiles['cols']} (rows x columns) of {tiles['tile_hw'][1]} px{thumbnail};"
        f" {facts['image_tokens']} image tokens",
        f"model   {facts['model']}",
    ]
    for index, region in enumerate(outcome.regions):
        about = region_facts(region)
        box = ", ".join(f"{v:g}" for v in about["box"])
        rough = "; its mask was guessed and may be rough" if region.rough else ""
        lines.append(
            f"region  <Prompt{index}> {region.kind}, box ({box}), {region.area_px} px"
            f" = {100 * about['share']:.2g} % of the image{rough}"
        )
    lines.append("")
    if outcome.question is not None:
        lines.append(f"question  {outcome.question}")
        heads = ["answer"]
    else:
        heads = [f"<Prompt{i}>" for i in range(len(outcome.regions))]
    for head, text, answer in zip(heads, outcome.texts(), outcome.answers, strict=True):
        # A description may begin with the region's own name.
        told = text.removeprefix(head).lstrip() if outcome.question is None else text
        cut = f"  [cut at {answer.num_new_tokens} tokens]" if answer.stopped == "length" else ""
        lines.append(f"{head:<10}{told or '(nothing)'}{cut}")
        lines += [f"          note: {note}" for note in answer.warnings]
    return "\n".join(lines)


def draw(outcome: Described, path: str) -> None:
    """Write the picture: outlined, numbered regions and the text below."""
    from PIL import Image

    from gartk.inference.overlay import draw_regions

    texts = outcome.texts()
    captions: str | list[str] = texts if outcome.question is None else f"{outcome.question}\n{texts[0]}"
    picture = draw_regions(outcome.image, outcome.regions, captions=captions)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    except OSError as error:
        raise ConfigError(f"--out {path} cannot be written: {error}.") from error


def check_out(path: str | None) -> None:
    """Refuse a picture name that Pillow cannot write, before any work is done."""
    from PIL import Image

    if path and Path(path).suffix.lower() not in Image.registered_extensions():
        raise ConfigError(f"--out {path}: pictures are written by their ending. Use .png.")
