"""Multiple choice: reading the letter of a reply, circular options, V*, MMVP, RealWorldQA and MMStar."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gartk.evaluation.scoring.items import (
    Fields,
    Item,
    Layout,
    check_unique,
    read_files,
    to_item,
    to_record,
)
from gartk.evaluation.scoring.rates import Mean, Rate

_SCORED = ("reference",)
LAYOUTS = {
    "vstar": Layout("vstar", "question_id", "category", "image", "", "text", "label", "model_output"),
    "mmvp": Layout("mmvp", "Index", "", "image", "", "Question", "Correct Answer", "model_output"),
    "realworldqa": Layout("realworldqa", "", "", "image", "", "question", "answer", "model_output"),
    "mmstar": Layout("mmstar", "index", "category", "image", "", "question", "answer", "model_output"),
}
OPTION_KEYS = ("choices", "options", "Options")
CIRCLE, ROTATION = "circular_id", "rotation"

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LABELLED = re.compile(r"\s*\(?([A-Za-z])[.):]\s*(?=\S)")
_MARKER = re.compile(r"(?:(?<=\s)|(?<=,)|^)(?:\(([A-Za-z])\)|([A-Za-z])[.):])\s*")
_FULL_WIDTH = {0xFF01 + n: 0x21 + n for n in range(94)}
_SPACES = re.compile(r"\s+")
_SPACES_BUT_LINES = re.compile(r"[^\S\n]+")
_ALONE = re.compile(r"[\[(]?([a-z])[\])]?[.:,]?", re.IGNORECASE)
_LEADING = re.compile(
    r"(?:\(([a-z])\)|\[([a-z])\]|([a-z])(?:[.:,)](?=\s|$)|\s*\n))\s*(.*)", re.IGNORECASE | re.DOTALL
)
_BRACKETED = re.compile(r"[\[(]([a-z])[\])]|\\boxed\{([a-z])\}", re.IGNORECASE)
_INLINE = re.compile(r"(?<![\w.'])([A-Z])[.:)](?=\s|$)")
_PHRASE = re.compile(
    r"\b(?:answer|option|choice)s?\b(?:\s+(?:is|would be|should be|must be))?\s*[:=-]?\s*"
    r"(?:the\s+)?(?:(?:option|choice|letter)\s*:?\s*)?[\[(\"']?([a-z])(?![\w'])(?=(.{0,12}))",
    re.IGNORECASE,
)
_VERDICT = re.compile(r"(?<![\w'])([A-Z])[)\]]? is (?:the )?(?:correct|right|best|answer)")
_AFTER_ARTICLE = re.compile(r"\s*(?:[\])\"'.,;:!]|$)|\s+(?:because|since|as)\b", re.IGNORECASE)
_CONNECTED = re.compile(
    r"(?<![\w'])([a-z])[)\]]?\s*(?:\bor\b|\band\b|\bnor\b|/|,|&)\s*[\[(]?([a-z])(?![\w'])(?=(.{0,12}))",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:\bnot|n't|\bneither|\bnever)\s+(?:option\s+|choice\s+)?[\[(]?([a-z])(?![\w'])(?=(.{0,12}))",
    re.IGNORECASE,
)
_CAPITAL = re.compile(r"(?<![\w'.])([B-HJ-Z])(?![\w'])")


def plain(text: str) -> str:
    """Lower case, single spaces, no quotes or full stop around it."""
    return _SPACES.sub(" ", text).strip().strip("\"'`").strip().rstrip(".").strip().lower()


def options_from(choices: Sequence[str]) -> dict[str, str]:
    """Give the options by letter; their own labels ("A. red", "(A) red") count if they are A, B, C ..."""
    labels = [_LABELLED.match(choice) for choice in choices[: len(_LETTERS)]]
    if [label[1].upper() if label else "" for label in labels] == list(_LETTERS[: len(labels)]):
        return {
            label[1].upper(): c[label.end() :] for label, c in zip(labels, choices, strict=False) if label
        }
    return dict(zip(_LETTERS, choices, strict=False))


def options_in(text: str) -> dict[str, str]:
    """Find options written as "A. red B. blue" or "(a) red (b) blue" in a text; {} below two."""
    return {
        letter: text[start:end] for letter, (start, end) in zip(_LETTERS, option_spans(text), strict=False)
    }


def option_spans(text: str) -> list[tuple[int, int]]:
    """Find where the options that ``options_in`` finds begin and end, without their letters; [] below two."""
    chains: dict[str, list[tuple[int, int]]] = {}
    for marker in _MARKER.finditer(text):
        letter = marker[1] or marker[2]
        style = marker[0].strip().replace(letter, "A" if letter.isupper() else "a")
        chain = chains.setdefault(style, [])
        if letter in "Aa":
            chain[:] = [marker.span()]
        elif chain and letter.upper() == _LETTERS[len(chain) % 26]:
            chain.append(marker.span())
    found = max(chains.values(), key=len, default=[])
    if len(found) < 2:
        return []
    ends = [start for start, _ in found[1:]] + [len(text)]
    return [_trimmed(text, span[1], end) for span, end in zip(found, ends, strict=True)]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave out blanks around an option, its last comma, and the lines after its first."""
    whole = text[start:end]
    option = whole.strip().rstrip(",").split("\n")[0]
    begin = start + len(whole) - len(whole.lstrip())
    return begin, begin + len(option)


def options_of(item: Item) -> dict[str, str]:
    """Give an item's options by letter, from its own field or else from its question; {} if none."""
    for key in OPTION_KEYS:
        value = item.extra.get(key)
        if isinstance(value, str):
            return options_in(value)
        if isinstance(value, dict) and value:
            return {str(k).strip("(). ").upper(): str(v) for k, v in value.items()}
        if isinstance(value, list) and value:
            return options_from([str(entry) for entry in value])
    return options_in(item.question)


def reference_letter(reference: str) -> str | None:
    """Give the letter of a reference "B", "(b)" or "(B) red"; None if it is another text."""
    match = re.fullmatch(r"\s*(?:\(([A-Za-z])\).*|([A-Za-z])[.)]?\s*)", reference, re.DOTALL)
    return (match[1] or match[2]).upper() if match else None


def strict_letter(reply: str) -> str | None:
    """Give the letter of a reply that is nothing but a letter. Source: GAR-Bench's script."""
    return reply.upper() if len(reply) == 1 and reply.isascii() and reply.isalpha() else None


def lenient_letter(reply: str, options: Mapping[str, str]) -> str | None:
    """Give the letter that a reply names: "(B)", "a.", "Answer: C", "B. red", or an option's text.

    The article of "A dog" is no letter. None if no option is named, two different ones are, or a
    letter stands before another option's text.
    """
    text = _SPACES_BUT_LINES.sub(" ", reply.translate(_FULL_WIDTH)).replace("*", "").replace("`", "").strip()
    alone = _ALONE.fullmatch(text)
    if alone:
        return _known(alone[1], options)
    same = [letter for letter, option in options.items() if plain(option) == plain(text)]
    if same:
        return same[0] if len(same) == 1 else None
    named = _named(text, options)
    return _known(named.pop(), options) if len(named) == 1 else None


def _known(letter: str, options: Mapping[str, str]) -> str | None:
    known = options or _LETTERS[:10]
    return letter.upper() if letter.upper() in known else None


def _named(text: str, options: Mapping[str, str]) -> set[str]:
    """All letters that a reply names as its answer; none of them if it denies or lists letters."""
    leading = _LEADING.match(text)
    start = (leading[1] or leading[2] or leading[3]).upper() if leading else ""
    rest = plain(leading[4]) if leading else ""
    if start and rest and plain(options.get(start, "")) == rest:
        return {start}
    if any(_known(m[1], options) and _is_letter(m[1], m[2]) for m in _DENIED.finditer(text)):
        return set()
    for pair in _CONNECTED.finditer(text):
        letters = {_known(pair[1], options), _known(pair[2], options)}
        if None not in letters and len(letters) == 2 and _is_letter(pair[2], pair[3]):
            return set()
    named = {m[1] or m[2] for m in _BRACKETED.finditer(text)}
    named |= {m[1] for m in _INLINE.finditer(text) if _known(m[1], options)}
    named |= {m[1] for m in _VERDICT.finditer(text)}
    named |= {line[1] for line in map(_ALONE.fullmatch, map(str.strip, text.split("\n"))) if line}
    named |= {m[1] for m in _PHRASE.finditer(text) if _is_letter(m[1], m[2])}
    if start:
        named |= {start} | {letter for letter, option in options.items() if plain(option) == rest}
    named = {letter.upper() for letter in named}
    if named:
        named |= {m[1] for m in _CAPITAL.finditer(text) if _known(m[1], options)}
    return named


def _is_letter(letter: str, rest: str) -> bool:
    """Whether a lone letter is one; "a" and "I" are words where another word follows them."""
    return letter not in "aAiI" or _AFTER_ARTICLE.match(rest) is not None


def strict_verdict(item: Item) -> bool | None:
    """GAR-Bench's rule: the whole reply equals the reference's letter or text, whatever the case."""
    if item.prediction is None:
        return None
    reference = reference_letter(item.reference) or item.reference
    return item.prediction.lower() == reference.lower()


def lenient_verdict(item: Item) -> bool | None:
    """Compare the letter that the reply names; where the reference is no letter, the plain texts."""
    if item.prediction is None:
        return None
    right = reference_letter(item.reference)
    if right is None:
        return plain(item.prediction) == plain(item.reference) if plain(item.prediction) else None
    said = lenient_letter(item.prediction, options_of(item))
    return None if said is None else said == right


VERDICTS = {"strict": strict_verdict, "lenient": lenient_verdict}


def letter_variants(items: Sequence[Item], *, sub_tasks: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Score by the strict and by the lenient rule: micro over all items, and for each sub-task."""
    return {name: by_task(items, [rule(i) for i in items], sub_tasks) for name, rule in VERDICTS.items()}


def by_task(
    items: Sequence[Item], verdicts: Sequence[bool | None], sub_tasks: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Count verdicts over all items and over each sub-task; ``sub_tasks`` gives their order and names."""
    groups: dict[str, list[bool | None]] = {name: [] for name in sub_tasks or ()}
    for item, verdict in zip(items, verdicts, strict=True):
        groups.setdefault(item.task, []).append(verdict)
    tasks = {(sub_tasks or {}).get(task, task): Rate.of(v).to_json() for task, v in groups.items() if v}
    if set(tasks) == {""}:
        tasks = {}
    return {"overall": Rate.of(verdicts).to_json(), "tasks": tasks}


def letter_report(items: Sequence[Item]) -> dict[str, dict[str, int]]:
    """Count how often each letter is right, said strictly and said leniently; "" counts no letter."""
    right = Counter(reference_letter(item.reference) or "" for item in items)
    strict = Counter(strict_letter(item.prediction or "") or "" for item in items)
    lenient = Counter(lenient_letter(item.prediction or "", options_of(item)) or "" for item in items)
    letters = sorted({*right, *strict, *lenient} - {""}) + [""]
    return {k: {"right": right[k], "strict": strict[k], "lenient": lenient[k]} for k in letters}


def circular(items: Sequence[Item], *, rule: str = "lenient") -> dict[str, Any]:
    """Score questions asked with rotated options: right only if every rotation is; the plain score beside.

    Records of one question share ``circular_id`` and differ in ``rotation``, 0 for the options as published.
    A question counts as missing if no rotation is wrong and a reply or a rotation is missing.
    """
    circles: dict[str, dict[Any, Item]] = defaultdict(dict)
    for item in items:
        if isinstance(item.extra.get(ROTATION), int):
            circles[str(item.extra.get(CIRCLE))][item.extra[ROTATION]] = item
    whole: list[bool | None] = []
    first: list[bool | None] = []
    for rotations in circles.values():
        verdicts = [VERDICTS[rule](item) for item in rotations.values()]
        wanted = max(len(options_of(item)) for item in rotations.values())
        verdicts += [None] * (wanted - len(verdicts))
        whole.append(False if False in verdicts else None if None in verdicts else True)
        first.append(VERDICTS[rule](rotations[0]) if 0 in rotations else None)
    return {"circular": Rate.of(whole).to_json(), "plain": Rate.of(first).to_json()}


def rotation_prefix(fields: Fields) -> str:
    """Give what tells the id of a rotation of a question from the others; "" for a question as published.

    Raises: DataError if ``rotation`` is no whole number from 0.
    """
    if CIRCLE not in fields.record:
        return ""
    rotation = fields.record.get(ROTATION)
    if type(rotation) is not int or rotation < 0:
        fields.fail(ROTATION, "must be a whole number from 0")
    return f"{fields.label(CIRCLE)}+{rotation} "


def as_published(items: Sequence[Item]) -> list[Item]:
    """Give the items without those whose options are rotated."""
    return [item for item in items if item.extra.get(ROTATION, 0) == 0 or CIRCLE not in item.extra]


def add_rotations(variants: dict[str, Any], items: Sequence[Item]) -> dict[str, Any]:
    """Add the score of rotated options (see ``circular``) to each variant, where there are some."""
    rotated = [item for item in items if CIRCLE in item.extra]
    for name in VERDICTS if rotated else ():
        variants[name] = {**variants[name], "rotations": circular(rotated, rule=name)}
    return variants


def read(paths: Iterable[str | Path], *, benchmark: str) -> list[Item]:
    """Read the records of V*, MMVP, RealWorldQA or MMStar with a field ``model_output``.

    The fields are those of the published data sets; options stand in ``choices``, ``options`` or
    ``Options``, or in the question. An id is unique within its category.

    Raises: DataError if a record lacks its id or its reference, or an id comes twice.
    """
    return from_records(read_files(paths), benchmark=benchmark)


def from_records(records: Iterable[Fields], *, benchmark: str) -> list[Item]:
    """Turn records into items; see ``read``."""
    layout = LAYOUTS[benchmark]
    items = []
    for fields in records:
        fields.needed_text(layout.reference)
        for key in OPTION_KEYS:
            value = fields.record.get(key)
            if isinstance(value, list):
                fields.texts(key)
            elif value is not None and not isinstance(value, str | dict):
                fields.fail(key, "must be a list, a mapping or a text")
        if benchmark == "mmvp" and not (re.fullmatch("[1-9][0-9]{0,8}", fields.label("Index"))):
            fields.fail("Index", "must be a whole number from 1")
        items.append(to_item(fields, layout, id_prefix=rotation_prefix(fields)))
    return check_unique(items)


def to_published(item: Item) -> dict[str, Any]:
    """Turn an item back into the published record."""
    return to_record(item, LAYOUTS[item.benchmark])


def score(items: Sequence[Item]) -> dict[str, Any]:
    """Score V*, MMVP, RealWorldQA or MMStar by the strict and by the lenient rule.

    strict: the whole reply is the letter (or the text, where the reference is no letter); all else is
    wrong. lenient: a reply that names no letter is missing. No reply is missing in both. MMVP adds
    ``pairs``: both images 2k-1 and 2k right. MMStar adds the macro means over its categories and over
    its finer ones (``l2_category``). Rotated options (see ``circular``) are scored apart, and only their
    rotation 0 enters the other scores.
    """
    plain_items = as_published(items)
    variants: dict[str, Any] = {}
    for name, rule in VERDICTS.items():
        verdicts = [rule(item) for item in plain_items]
        variants[name] = by_task(plain_items, verdicts) | _further(plain_items, verdicts)
    return {"variants": add_rotations(variants, items), "letters": letter_report(plain_items)}


def _further(items: Sequence[Item], verdicts: Sequence[bool | None]) -> dict[str, Any]:
    benchmark = items[0].benchmark if items else ""
    if benchmark == "mmvp":
        return {"pairs": _pairs(items, verdicts).to_json()}
    if benchmark == "mmstar":
        fine = [str(item.extra.get("l2_category", "")) for item in items]
        return {
            "macro_category": _macro([item.task for item in items], verdicts).to_json(),
            "macro_l2_category": _macro(fine, verdicts).to_json(),
        }
    return {}


def _pairs(items: Sequence[Item], verdicts: Sequence[bool | None]) -> Rate:
    pairs: dict[int, list[bool | None]] = defaultdict(list)
    for item, verdict in zip(items, verdicts, strict=True):
        pairs[(int(str(item.extra["Index"])) - 1) // 2].append(verdict)
    whole = []
    for pair in pairs.values():
        both = [*pair, None][:2] if len(pair) < 2 else pair
        whole.append(False if False in both else None if None in both else True)
    return Rate.of(whole)


def _macro(groups: Sequence[str], verdicts: Sequence[bool | None]) -> Mean:
    """The mean of the groups' percentages; a missing item is no hit in its group, as in ``Rate``."""
    members: dict[str, list[bool | None]] = defaultdict(list)
    for group, verdict in zip(groups, verdicts, strict=True):
        members[group].append(verdict)
    return Mean.of(Rate.of(v).percent for v in members.values())
