"""GAR-Bench: multiple choice (VQA) and judged captions (Cap, simple and detailed).

Source: Grasp Any Region, Tables 1 and 2; scripts and recorded outputs of its release.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError, DataError
from gartk.evaluation.benchmarks.base import BENCHMARKS
from gartk.evaluation.benchmarks.judged_captions import JudgedCaptions, words_of
from gartk.evaluation.benchmarks.multiple_choice import MultipleChoice, options_from, rotation_prefix
from gartk.evaluation.item import JUDGE, Fields, Item, Layout, to_item
from gartk.evaluation.judgements import JudgeQuestion, Part, Reading
from gartk.evaluation.rates import Rate

if TYPE_CHECKING:
    from gartk.evaluation.pictures import Pictures

SOURCE = "the release of Grasp Any Region (its folder evaluation/GAR-Bench, or the data set GAR-Bench)"
LETTER_ONLY = "Answer with the correct option's letter directly."
DESCRIBE_RELATION = "Describe <Prompt0> in detail, including the relationship with <Prompt1>."
CAPTIONS = "gar-cap"
# The paper's names of the sub-tasks, by the type that the records state; in the order of Table 1.
SUB_TASKS = {
    "color": "Color",
    "shape": "Shape",
    "texture/pattern": "Texture",
    "material": "Material",
    "ordering": "Position",
    "mirror": "Non-Entity",
    "relation": "Relation",
}
PAPER_TOTAL = 214
SIMPLE, DETAILED = "simple", "detailed"
CAP_FILES = {SIMPLE: "GAR-Bench-Caption-Simple.json", DETAILED: "GAR-Bench-Caption-Detailed.json"}
# What stands in for a reference in the detailed captions.
_TRIPLE = ("subject_name", "predicate_name", "object_name")


@BENCHMARKS.register()
class GARVQABenchmark(MultipleChoice):
    """GAR-Bench-VQA: 424 questions with options in seven sub-tasks, about one to nine regions."""

    name = "gar-vqa"
    size = 424
    folder = "gar_bench"
    source = SOURCE
    files = ("GAR-Bench-VQA.json",)
    records = 'annotations + "model_output" (gar_1b_vqa.json): image, type, choices, answer'
    layout = Layout(
        id="image",
        task="type",
        image="image",
        masks="mask_rles",
        question="question",
        reference="answer",
        prediction="model_output",
        needed=("task", "reference"),
    )
    sub_tasks = SUB_TASKS
    max_new_tokens = 1024

    def read_record(self, fields: Fields) -> Item:
        """Read a record; its answer must be one of its choices."""
        item = to_item(fields, self.layout, benchmark=self.name, id_prefix=rotation_prefix(fields))
        options = options_from(fields.texts("choices"))
        if item.reference.upper() not in options:
            fields.fail("answer", f"is {item.reference!r}, which is none of the letters {', '.join(options)}")
        return item

    def prompt(self, item: Item) -> str:
        """Ask as the release does."""
        lines = [f"Question: {self.question(item)}", "Options:", *item.extra["choices"], LETTER_ONLY]
        return "\n".join(lines)


@BENCHMARKS.register()
class GARCapBenchmark(JudgedCaptions):
    """GAR-Bench-Cap: captions of the relation of two regions, which a judge compares with the reference.

    published: a verdict other than "True" is no hit. tolerant: one that is neither true nor false is
    missing. No caption or no verdict is missing in both.

    Args:
        kind: ``"simple"`` (97), ``"detailed"`` (107), or None for both.
    """

    name = CAPTIONS
    short_names = {
        CAPTIONS: {},
        f"{CAPTIONS}-{SIMPLE}": {"kind": SIMPLE},
        f"{CAPTIONS}-{DETAILED}": {"kind": DETAILED},
    }
    folder = "gar_bench"
    source = SOURCE
    records = (
        "judged captions (gar_1b_simple_eval.json): image, answer, model_output, eval_result; the detailed"
        " ones have subject_name, object_name, predicate_name; both together also over the paper's 214"
    )
    layout = Layout(
        id="image",
        image="image",
        masks="mask_rles",
        question="question",
        reference="answer",
        prediction="model_output",
        reply="eval_result",
    )
    rules = ("published", "tolerant")
    headline = "tolerant"
    is_binary = True
    judge_sees_pictures = True

    def __init__(self, *, kind: str | None = None) -> None:
        if kind is not None and kind not in CAP_FILES:
            raise ConfigError(f"GARCapBenchmark.kind must be one of {', '.join(CAP_FILES)}; got {kind!r}.")
        self.kind = kind
        self.name = CAPTIONS + (f"-{kind}" if kind else "")
        sizes = {SIMPLE: 97, DETAILED: 107}
        self.size = sizes[kind] if kind else sum(sizes.values())

    def annotation_files(self, root: Path) -> list[Path]:
        """Find the annotations, the simple ones first."""
        return [self.file(root, CAP_FILES[kind]) for kind in CAP_FILES if self.kind in (None, kind)]

    def read_record(self, fields: Fields) -> Item:
        """Read a record, simple or detailed by its fields."""
        found = _kind(fields)
        if self.kind not in (None, found):
            raise DataError(
                f"{fields.where}: this is a record of the {found} captions, not of the {self.kind} ones."
            )
        return to_item(fields, self.layout, benchmark=CAPTIONS, task=found)

    def prompt(self, item: Item) -> str:
        """Ask the simple question, or for the whole description."""
        return DESCRIBE_RELATION if item.task == DETAILED else self.question(item)

    def score(self, item: Item) -> dict[str, float | None]:
        """Read the verdict by both rules."""
        reply = item.replies.get(JUDGE)
        if item.prediction is None or not isinstance(reply, str):
            return dict.fromkeys(self.rules)
        verdict = tolerant_verdict(reply)
        return {
            "published": float(published_verdict(reply)),
            "tolerant": None if verdict is None else float(verdict),
        }

    def variants(self, items: Sequence[Item]) -> dict[str, Any]:
        """Count simple, detailed and both, the latter also over the paper's 214."""
        return {rule: _rates(items, rule) for rule in self.rules}

    def judge_questions(self, item: Item, pictures: Pictures | None = None) -> list[JudgeQuestion]:
        """Ask whether a caption means what the reference says (simple) or conveys the relation (detailed)."""
        version = f"gar_cap_{item.task}{'' if pictures else '_text'}/1"
        marks = _MARKS if pictures else "Marks such as <Prompt0> stand for regions of an image."
        if item.task == SIMPLE:
            text = _CAP_SIMPLE.format(
                marks=marks, reference=item.reference, prediction=item.prediction, one_word=_ONE_WORD
            )
        else:
            text = _CAP_DETAILED.format(
                marks=marks,
                subject=item.extra["subject_name"],
                object=item.extra["object_name"],
                predicate=item.extra["predicate_name"],
                prediction=item.prediction,
                one_word=_ONE_WORD,
            )
        parts = (*(_numbered_pictures(pictures) if pictures else ()), text)
        return [JudgeQuestion(version, parts, max_tokens=16)]

    def read_reply(self, item: Item, number: int, reply: str) -> Reading:
        """Read "True" or "False"."""
        said = tolerant_verdict(reply)
        return Reading(reply if reply in ("True", "False") else None, None if said is None else str(said))

    def judge_by_rules(self, item: Item) -> list[str]:
        """Compare words: all of them in order (simple), those of subject, predicate and object (detailed)."""
        said = words_of(item.prediction or "")
        if item.task == SIMPLE:
            return [str(bool(said) and said == words_of(item.reference))]
        wanted = [words_of(str(item.extra[key])) for key in _TRIPLE]
        return [str(all(set(words) <= set(said) for words in wanted))]

    def reference_text(self, item: Item) -> str:
        """Return the reference, or subject, predicate and object of a detailed caption."""
        return item.reference or " ".join(str(item.extra.get(key) or "") for key in _TRIPLE).strip()


def _kind(fields: Fields) -> str:
    if "predicate_name" in fields.record:
        for key in ("subject_name", "object_name", "predicate_name"):
            fields.needed_text(key)
        return DETAILED
    fields.needed_text("answer")
    return SIMPLE


def _rates(items: Sequence[Item], rule: str) -> dict[str, Rate]:
    def rate(kinds: Sequence[str], total: int | None = None) -> Rate:
        places = [place for place, item in enumerate(items) if item.task in kinds]
        return Rate.of([items[place].scores[rule] for place in places], places, total=total)

    tasks = {item.task for item in items}
    rates = {kind: rate([kind]) for kind in (SIMPLE, DETAILED) if kind in tasks}
    if len(rates) == 2:
        rates["overall"] = rate((SIMPLE, DETAILED))
        if rates["overall"].total <= PAPER_TOTAL:
            rates["overall_214"] = rate((SIMPLE, DETAILED), PAPER_TOTAL)
    return rates


def published_verdict(reply: str) -> bool:
    """The release's rule: the judge said exactly "True"; all else is no hit."""
    return reply == "True"


def tolerant_verdict(reply: str) -> bool | None:
    """True or False, whatever the case and the punctuation around it; None for any other reply."""
    return {"true": True, "false": False}.get(reply.strip(" \t\r\n.!\"'*`").lower())


# ------------------------------------------------------------------ what a judge is asked

_ONE_WORD = "Reply with one word and nothing else: True or False."
_MARKS = (
    "Marks such as <Prompt0> stand for regions of the image. For every region you see two pictures: the part"
    " of the image around it, and the same part of its mask, in which the region is white."
)
_CAP_SIMPLE = (
    "A model described how regions of this image relate to each other. Compare its description with the"
    " correct one.\n{marks}\n"
    "Correct description: {reference}\n"
    "The model's description: {prediction}\n"
    "Do both say the same about the regions? Other words with the same meaning count as the same. A relation"
    " that is turned around, another relation, or other regions do not.\n{one_word}"
)
_CAP_DETAILED = (
    "A model was asked to describe <Prompt0> in detail, and how it relates to <Prompt1>. Check its"
    " description.\n{marks}\n"
    "<Prompt0> is: {subject}\n<Prompt1> is: {object}\n"
    "Their relation, from <Prompt0> to <Prompt1>: {predicate}\n"
    "The model's description: {prediction}\n"
    "1. Is the {subject} mentioned?\n"
    "2. Does the description convey a relation between the {subject} and the {object} that has to do with"
    " '{predicate}'?\n"
    "Other words with the same meaning count. Your verdict is True only if both hold.\n{one_word}"
)


def _numbered_pictures(pictures: Pictures) -> list[Part]:
    """The whole image and the two crops of every region, each announced by a running number."""
    parts: list[Part] = ["1. The whole image:", pictures.whole()]
    for region, (crop, mask) in enumerate(pictures.crops()):
        number = 2 * region + 2
        parts += [f"{number}. The part of the image around <Prompt{region}>:", crop]
        parts += [f"{number + 1}. The mask of <Prompt{region}> in that part:", mask]
    return parts
