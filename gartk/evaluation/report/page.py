"""One HTML file with every item of a run: image with its regions, question, answer, verdict.

The file needs nothing else: pictures are in it, and it asks for nothing from anywhere. All text of
models, judges and data sets is escaped, and the page's own script is the only one that may run.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError, DataError
from gartk.evaluation.benchmarks.base import Benchmark, Option
from gartk.evaluation.item import Item
from gartk.evaluation.judgements import judgements_of, replies_of
from gartk.evaluation.pictures import ImageFinder, item_regions
from gartk.evaluation.report.album import Album, Outline, colours, outlines, tag_unit, tag_width
from gartk.evaluation.results import Results
from gartk.evaluation.statistics.item_scores import with_scores
from gartk.evaluation.tables import rows
from gartk.io import write_atomic

if TYPE_CHECKING:
    from markupsafe import Markup

TEMPLATE = "evaluation_page.html.j2"
MAX_PICTURE_BYTES = 30_000_000
RIGHT, WRONG, MISSING, SCORED = "right", "wrong", "missing", "scored"
_NOT_SHOWN = ("missing", "withheld")
_MARK = re.compile(r"<Prompt(\d{1,3})>")
# Control characters, those that turn the direction of writing, and lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Said:
    """A judge's reply to one question: who was asked what, and how the reply was read."""

    judge: str
    question: str
    reply: str | None
    verdict: str


@dataclass
class Card:
    """What the page shows of one item; ``verdicts`` and ``scores`` are by rule."""

    number: int
    id: str
    task: str
    question: str
    options: list[Option]
    reference: str
    prediction: str | None
    problem: str
    verdicts: list[str]
    scores: list[str]
    said: list[Said]
    picture: str = ""
    size: tuple[int, int] = (0, 0)
    outlines: list[Outline] = field(default_factory=list)
    no_picture: str = ""


def write_page(
    results: Results,
    path: str | Path,
    *,
    benchmark: Benchmark,
    find_image: ImageFinder | None = None,
    max_picture_bytes: int = MAX_PICTURE_BYTES,
) -> Path:
    """Write the page of some results; return its path.

    ``find_image`` says where an item's image lies; an item without one is shown without, and they are
    counted. Pictures are made so small that all together stay under ``max_picture_bytes``.

    Raises: ConfigError if Jinja2 is missing; DataError if there is no item to show.
    """
    text = render_page(
        results, benchmark=benchmark, find_image=find_image, max_picture_bytes=max_picture_bytes
    )
    write_atomic(path, text)
    return Path(path)


def render_page(
    results: Results,
    *,
    benchmark: Benchmark,
    find_image: ImageFinder | None = None,
    max_picture_bytes: int = MAX_PICTURE_BYTES,
) -> str:
    """Return the page as text; see ``write_page``."""
    items = [item for item in results.records if benchmark.has_score(item)] or list(results.records)
    if not items:
        raise DataError(f"{results.benchmark}: there is no item to show on a page.")
    if not results.info.get("withheld"):
        items = with_scores(benchmark, items)
    rules = [rule for rule in benchmark.rules if any(rule in item.scores for item in items)]
    album = Album()
    cards = []
    for number, item in enumerate(items):
        card = _card(benchmark, number, item, [item.scores.get(rule) for rule in rules or ("",)])
        _add_picture(card, item, find_image, album)
        cards.append(card)
    album.shrink(max_picture_bytes)
    template, script = _template()
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return template.render(
        benchmark=results.benchmark,
        info=[(str(k), _flat(v)) for k, v in results.info.items() if k not in _NOT_SHOWN and v],
        withheld=str(results.info.get("withheld") or ""),
        seconds=results.seconds,
        cards=cards,
        rules=rules or ["score"],
        tasks=dict(Counter(card.task for card in cards)),
        is_binary=benchmark.is_binary,
        scores=_scores(benchmark, results, items),
        pictures=album.urls(),
        without=sum(not card.picture for card in cards),
        dropped=album.dropped,
        script=script,
        script_hash=digest,
    )


# ------------------------------------------------------------------ scores


def _scores(
    benchmark: Benchmark, results: Results, items: Sequence[Item]
) -> dict[str, list[tuple[str, str]]]:
    """The scores by rule, as they are printed elsewhere: those of the results, or else made here."""
    if results.info.get("withheld"):
        return {}
    variants = results.summary.get("variants") or benchmark.aggregate(items)["variants"]
    return {rule: list(rows({rule: scores})) for rule, scores in (variants or {}).items()}


def _verdict(score: float | None, *, is_binary: bool) -> str:
    if score is None:
        return MISSING
    return SCORED if not is_binary else RIGHT if score >= 1 else WRONG


# ------------------------------------------------------------------ cards


def _card(benchmark: Benchmark, number: int, item: Item, scores: Sequence[float | None]) -> Card:
    return Card(
        number=number,
        id=item.id,
        task=item.task,
        question=item.question or _text(item, "prompt"),
        options=benchmark.options(item),
        reference=benchmark.reference_text(item),
        prediction=item.prediction,
        problem=_text(item, "problem"),
        verdicts=[_verdict(score, is_binary=benchmark.is_binary) for score in scores],
        scores=["" if score is None else f"{score:.3g}" for score in scores],
        said=_said(benchmark, item),
    )


def _text(item: Item, key: str) -> str:
    value = item.extra.get(key)
    return value if isinstance(value, str) else ""


def _said(benchmark: Benchmark, item: Item) -> list[Said]:
    """The judges' replies: those with a record of how they were asked, else those that are scored."""
    kept = judgements_of(item)
    if kept:
        return [
            Said(
                judge=str(entry.get("judge", "")),
                question=_asked(benchmark, item, entry["question"], str(entry.get("prompt", ""))),
                reply=entry["reply"] if isinstance(entry.get("reply"), str) else None,
                verdict=str(entry.get("problem") or _flat(entry.get("verdict", ""))),
            )
            for entry in kept
        ]
    return [Said("", _asked(benchmark, item, n, ""), reply, "") for n, reply in enumerate(replies_of(item))]


def _asked(benchmark: Benchmark, item: Item, number: int, prompt: str) -> str:
    return f"{prompt} {benchmark.question_text(item, number)}".strip()


def _add_picture(card: Card, item: Item, find_image: ImageFinder | None, album: Album) -> None:
    """Put the image and its regions on a card, or why they are not there."""
    path = find_image(item) if find_image is not None else None
    if path is None:
        card.no_picture = "the image is not there" if item.image else "this item has no image"
        return
    try:
        card.picture, (width, height) = album.add(path)
        card.size = (width, height)
        card.outlines = outlines(item_regions(item.masks, (height, width)))
    except DataError as error:
        card.no_picture = str(error)


# ------------------------------------------------------------------ text


def plain_text(text: object) -> str:
    """Return a text as a page can hold it: what cannot be shown, or turns the writing, becomes a mark."""
    return _UNPRINTABLE.sub("�", str(text))


def _flat(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_flat(one)}" for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_flat, value))
    return plain_text(value)


def with_marks(text: object) -> Markup:
    """Escape a text, and let every ``<Prompt i>`` stand out in its region's colour."""
    from markupsafe import Markup, escape

    parts: list[Any] = []
    for place, piece in enumerate(_MARK.split(plain_text(text))):
        if place % 2 == 0:
            parts.append(escape(piece))
            continue
        mark = Markup('<b class="mark" style="background:{};color:{}">&lt;Prompt{}&gt;</b>')
        parts.append(mark.format(*colours(int(piece)), piece))
    return Markup("").join(parts)


def _template() -> tuple[Any, str]:
    try:
        from jinja2 import DictLoader, Environment, StrictUndefined
    except ImportError as error:
        raise ConfigError("A results page needs the package jinja2: pip install 'gartk[eval]'.") from error
    assets = importlib.resources.files("gartk") / "assets"
    source = (assets / TEMPLATE).read_text(encoding="utf-8")
    script = (assets / "evaluation_page.js").read_text(encoding="utf-8")
    loader = DictLoader({TEMPLATE: source})
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"marks": with_marks, "plain": plain_text, "unit": tag_unit, "tag": tag_width}
    return environment.get_template(TEMPLATE), script
