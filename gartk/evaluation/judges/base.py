"""What a judge promises, and how its replies become part of the items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, runtime_checkable

from gartk.errors import ConfigError, DataError, did_you_mean
from gartk.evaluation.judges.pictures import ImageFinder
from gartk.evaluation.scoring import dlc_bench, mdvp_bench, video_refer
from gartk.evaluation.scoring.items import JUDGE, Item
from gartk.evaluation.verdicts import Reading, is_judged, read_reply

JUDGEMENTS = "judgements"
OnItem = Callable[[Item], None]


@dataclass(frozen=True)
class JudgeReply:
    """A judge's reply to one question, None where there is none; ``problem`` then says why."""

    prompt: str
    reply: str | None
    problem: str = ""


@runtime_checkable
class Judge(Protocol):
    """Gives items back with replies about their predictions.

    Of every item that it judged, ``replies["judge"]`` and ``replies[name]`` hold the raw replies, which
    the scorers read, and ``extra["judgements"]`` what stays with the record: judge, version of the
    prompt, raw reply, and how it was read. An item without a prediction comes back as it is. A reply
    that did not come is None, with the reason beside it, and counts as missing.
    """

    name: str

    def judge(
        self, items: Sequence[Item], *, find_image: ImageFinder | None = None, on_item: OnItem | None = None
    ) -> list[Item]:
        """Judge items, in their order; ``on_item`` is called with each as soon as it is judged."""
        ...


def with_judgements(item: Item, judge: str, replies: Sequence[JudgeReply]) -> Item:
    """Add a judge's replies to an item, in the order of its questions, over earlier ones of that judge."""
    raw: Any = [one.reply for one in replies]
    if item.benchmark != dlc_bench.BENCHMARK:
        raw = raw[0] if raw and raw[0] is not None else None
    kept = [entry for entry in judgements_of(item) if entry["judge"] != judge]
    entries = [_entry(item, judge, number, one) for number, one in enumerate(replies)]
    said = {name: value for name, value in item.replies.items() if name not in (judge, JUDGE)}
    if raw is not None:
        said |= {JUDGE: raw, judge: raw}
    return replace(item, replies=said, extra={**_without_recorded(item.extra), JUDGEMENTS: [*kept, *entries]})


# What a published record holds from another judge, and what would count where a reply is missing.
_RECORDED = ("tuple", "recognition_result", "score", "score_pos", "score_neg", *video_refer.DIMENSIONS)
_RECORDED_OF_QUESTION = ("pred_answer", "pred_index", "eval_result")


def _without_recorded(extra: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in extra.items() if key not in _RECORDED}
    for part in dlc_bench.PARTS:
        if isinstance(kept.get(part), list):
            kept[part] = [
                {key: value for key, value in question.items() if key not in _RECORDED_OF_QUESTION}
                for question in kept[part]
            ]
    return kept


def _entry(item: Item, judge: str, number: int, one: JudgeReply) -> dict[str, Any]:
    reading = Reading(None, None) if one.reply is None else read_reply(item, number, one.reply)
    entry = {"judge": judge, "question": number, **asdict(one), "verdict": reading.to_json()}
    return {key: value for key, value in entry.items() if key != "problem" or value}


def judgements_of(item: Item) -> list[dict[str, Any]]:
    """Give what stays with the record of an item's judgements; [] where it was not judged.

    Raises: DataError if it is malformed.
    """
    entries = item.extra.get(JUDGEMENTS, [])
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        raise DataError(
            f"{item.benchmark} item {item.id}: field {JUDGEMENTS!r} must be a list of objects with the"
            " judge's name, the number of the question, and the reply as text or null."
        )
    return entries


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("judge"), str)
        and type(entry.get("question")) is int
        and isinstance(entry.get("reply"), str | None)
    )


def judges_of(items: Iterable[Item]) -> list[str]:
    """Name the judges that have judged items, in the order in which they first occur."""
    names = (entry["judge"] for item in items for entry in judgements_of(item))
    return list(dict.fromkeys(names))


def by_judge(items: Sequence[Item], judge: str) -> list[Item]:
    """Let the replies of one judge be those that the scorers read; items it did not judge have none.

    Raises: DataError if it judged none of the items.
    """
    known = judges_of(items)
    if judge not in known:
        raise DataError(f"No item has a verdict of the judge {judge!r}. {did_you_mean(judge, known)}")
    return [_selected(item, judge) for item in items]


def _selected(item: Item, judge: str) -> Item:
    entries = sorted(
        (entry for entry in judgements_of(item) if entry["judge"] == judge),
        key=lambda entry: entry["question"],
    )
    raw: Any = [entry.get("reply") for entry in entries]
    if item.benchmark != dlc_bench.BENCHMARK:
        raw = raw[0] if raw else None
    said = {name: value for name, value in item.replies.items() if name != JUDGE}
    return replace(item, replies=said if raw is None or raw == [] else {**said, JUDGE: raw})


def to_judge(items: Sequence[Item]) -> list[Item]:
    """Give what a judge is to be shown: the items themselves, and for MDVP-Bench its pairs of answers.

    Captions of MDVP-Bench become reviews of both pairings, as published and fixed, after the captions
    themselves; reviews that are there already stay. A review has the image and regions of its question.

    Raises: ConfigError if the benchmark is scored without a judge.
    """
    for item in items:
        if not is_judged(item.benchmark):
            raise ConfigError(
                f"{item.benchmark} is scored without a judge; leave it out. Judged are gar-cap, dlc, ferret,"
                " mdvp and videorefer-d."
            )
    captions = [item for item in items if _is_mdvp_caption(item)]
    known = {(item.task, item.id) for item in items}
    reviews = [review for review in _reviews(captions) if (review.task, review.id) not in known]
    return [*items, *reviews]


def _is_mdvp_caption(item: Item) -> bool:
    return item.benchmark == mdvp_bench.REVIEW.benchmark and not mdvp_bench.is_review(item)


def is_asked(item: Item) -> bool:
    """Whether a judge has anything to say about an item: it has a prediction and is no bare MDVP caption."""
    return item.prediction is not None and not _is_mdvp_caption(item)


def _reviews(captions: Sequence[Item]) -> list[Item]:
    if not captions:
        return []
    by_image: dict[tuple[str, str], list[Item]] = {}
    for item in captions:
        by_image.setdefault((item.task, item.image or ""), []).append(item)
    reviews = []
    for pairing in mdvp_bench.PAIRINGS:
        for pair in mdvp_bench.pair_answers(captions, pairing):
            regions = by_image[pair.phase, pair.question_image]
            reviews.append(
                Item(
                    benchmark=mdvp_bench.REVIEW.benchmark,
                    id=f"review {pairing} {pair.question_id}",
                    task=pair.phase,
                    image=pair.question_image,
                    masks=tuple(mask for region in regions for mask in region.masks),
                    question=regions[0].question or MDVP_QUESTION,
                    reference=pair.reference,
                    prediction=pair.prediction,
                    extra={
                        "category": f"{pair.phase}_detailed_caption_box",
                        "pairing": pairing,
                        "question_id": pair.question_id,
                    },
                )
            )
    return reviews


MDVP_QUESTION = "Please provide a detailed description of each marked region in the image."
