"""Multiple choice: reading the letter of a reply, rotated options, and what such benchmarks share."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gartk.evaluation.benchmarks.base import Benchmark, Option
from gartk.evaluation.item import Fields, Item
from gartk.evaluation.rates import Rate
from gartk.evaluation.tables import TextTable

OPTION_KEYS = ("choices", "options", "Options")
CIRCLE, ROTATION = "circular_id", "rotation"
LETTER_FROM_CHOICES = "Answer with the option's letter from the given choices directly."

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
    """Return the options by letter; their own labels ("A. red", "(A) red") count if they are A, B, C ..."""
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
    """Return an item's options by letter, from its own field or else from its question; {} if none."""
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
    """Return the letter of a reference "B", "(b)" or "(B) red"; None if it is another text."""
    match = re.fullmatch(r"\s*(?:\(([A-Za-z])\).*|([A-Za-z])[.)]?\s*)", reference, re.DOTALL)
    return (match[1] or match[2]).upper() if match else None


def strict_letter(reply: str) -> str | None:
    """Return the letter of a reply that is nothing but a letter. Source: GAR-Bench's script."""
    return reply.upper() if len(reply) == 1 and reply.isascii() and reply.isalpha() else None


def lenient_letter(reply: str, options: Mapping[str, str]) -> str | None:
    """Return the letter that a reply names: "(B)", "a.", "Answer: C", "B. red", or an option's text.

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


def lettered_question(question: str, options: Sequence[str]) -> str:
    """Return a question with its options as lines "A. text"; options written in it are left out there."""
    spans = option_spans(question)
    stem = re.sub(r"\s*\(?[Aa][.):]\s*$", "", question[: spans[0][0]]) if spans else question
    return "\n".join([stem.strip(), *(f"{k}. {text}" for k, text in zip(_LETTERS, options, strict=False))])


class MultipleChoice(Benchmark):
    """What benchmarks with options share: two rules, letters, rotated options.

    strict: the whole reply is the letter (or the text, where the reference is no letter); all else is
    wrong. lenient: a reply that names no letter is missing. No reply is missing in both. Rotated options
    (records with ``circular_id`` and ``rotation``, 0 as published) are scored apart, and only their
    rotation 0 enters the other scores.

    Attributes:
        sub_tasks: names of the sub-tasks in the order in which they are shown.
    """

    rules: Sequence[str] = tuple(VERDICTS)
    max_new_tokens = 16
    sub_tasks: Mapping[str, str] = {}

    def score(self, item: Item) -> dict[str, float | None]:
        """Score by the strict and by the lenient rule."""
        return {name: _number(rule(item)) for name, rule in VERDICTS.items()}

    def variants(self, items: Sequence[Item]) -> dict[str, Any]:
        """Sum up by each rule over all items and each sub-task, with rotations where there are some."""
        places = [place for place, item in enumerate(items) if is_as_published(item)]
        variants: dict[str, Any] = {}
        for rule in self.rules:
            sums = self.by_task(items, rule, places=places, names=self.sub_tasks)
            variants[rule] = sums | self.further_scores(items, rule, places)
            if rule in VERDICTS and any(CIRCLE in item.extra for item in items):
                variants[rule]["rotations"] = circular(items, rule)
        return variants

    def further_scores(self, items: Sequence[Item], rule: str, places: Sequence[int]) -> dict[str, Any]:
        """Return what a benchmark states beside the share of right answers."""
        return {}

    def details(self, items: Sequence[Item]) -> dict[str, Any]:
        """Count how often each letter is right, said strictly and said leniently."""
        return {"letters": letter_report([item for item in items if is_as_published(item)])}

    def tables(self, report: Mapping[str, Any]) -> list[TextTable]:
        """Lay out how often each letter is right and was said."""
        headings = ("letter", "right", "said (strict)", "said (lenient)")
        lines = [
            (letter or "(none)", *(str(counts[key]) for key in ("right", "strict", "lenient")))
            for letter, counts in report["letters"].items()
        ]
        return [TextTable("answer letters", headings, tuple(lines))]

    def resampling_unit(self, item: Item) -> Hashable | None:
        """Keep the rotations of a question together."""
        return ("circle", str(item.extra[CIRCLE])) if CIRCLE in item.extra else None

    def options(self, item: Item) -> list[Option]:
        """Return the options with their letters, where the answer is one of them."""
        options = options_of(item)
        right = reference_letter(item.reference)
        if right is None:
            return []
        said = lenient_letter(item.prediction or "", options)
        return [Option(f"{k}. {text}", k == right, k == said) for k, text in options.items()]

    def rotations(self, item: Item) -> list[Item]:
        """Return an item with each rotation of its options, the published order first.

        Rotation r puts option r first and asks for the letter that the right option then has. An item
        whose answer is no letter of an option comes back alone.
        """
        options = options_of(item)
        right = reference_letter(item.reference)
        if right is None or right not in options:
            return [self._numbered(item, 0)]
        turned = (_rotated(item, len(options), r, right) for r in range(len(options)))
        return [self._numbered(one, r) for r, one in enumerate(turned)]

    def _numbered(self, item: Item, rotation: int) -> Item:
        """Mark a rotation as the readers of recorded outputs do, and write its prompt."""
        extra = {**item.extra, CIRCLE: item.id, ROTATION: rotation}
        return self.with_prompt(replace(item, id=f"{item.id}+{rotation} {item.id}", extra=extra))


def _number(verdict: bool | None) -> float | None:
    return None if verdict is None else float(verdict)


def is_as_published(item: Item) -> bool:
    """Whether an item's options stand as published, and not rotated."""
    return item.extra.get(ROTATION, 0) == 0 or CIRCLE not in item.extra


def letter_report(items: Sequence[Item]) -> dict[str, dict[str, int]]:
    """Count how often each letter is right, said strictly and said leniently; "" counts no letter."""
    right = Counter(reference_letter(item.reference) or "" for item in items)
    strict = Counter(strict_letter(item.prediction or "") or "" for item in items)
    lenient = Counter(lenient_letter(item.prediction or "", options_of(item)) or "" for item in items)
    letters = sorted({*right, *strict, *lenient} - {""}) + [""]
    return {k: {"right": right[k], "strict": strict[k], "lenient": lenient[k]} for k in letters}


def all_right(verdicts: Sequence[float | None]) -> float | None:
    """Return 1 if all are right, 0 if one is wrong, None if one is missing and none is wrong."""
    return 0.0 if 0.0 in verdicts else None if None in verdicts else 1.0


def circular(items: Sequence[Item], rule: str) -> dict[str, Rate]:
    """Score questions asked with rotated options: right only if every rotation is; the plain score beside.

    A question counts as missing if no rotation is wrong and a reply or a rotation is missing.
    """
    circles: dict[str, dict[Any, int]] = defaultdict(dict)
    for place, item in enumerate(items):
        if CIRCLE in item.extra and isinstance(item.extra.get(ROTATION), int):
            circles[str(item.extra[CIRCLE])][item.extra[ROTATION]] = place
    whole, first, places = [], [], []
    for rotations in circles.values():
        verdicts = [items[place].scores[rule] for place in rotations.values()]
        wanted = max(len(options_of(items[place])) for place in rotations.values())
        whole.append(all_right([*verdicts, *[None] * (wanted - len(verdicts))]))
        first.append(items[rotations[0]].scores[rule] if 0 in rotations else None)
        places.append(next(iter(rotations.values())))
    return {"circular": Rate.of(whole, places), "plain": Rate.of(first, places)}


def rotation_prefix(fields: Fields) -> str:
    """Return what tells the id of a rotation of a question from the others; "" for one as published.

    Raises: DataError if ``rotation`` is no whole number from 0.
    """
    if CIRCLE not in fields.record:
        return ""
    rotation = fields.record.get(ROTATION)
    if type(rotation) is not int or rotation < 0:
        fields.fail(ROTATION, "must be a whole number from 0")
    return f"{fields.label(CIRCLE)}+{rotation} "


def _rotated(item: Item, count: int, rotation: int, right: str) -> Item:
    key = next((key for key in OPTION_KEYS if item.extra.get(key)), None)
    place = (_LETTERS.index(right) - rotation) % count
    moved = replace(item, reference=_reference(item.reference, right, _LETTERS[place]))
    if key is None:
        return replace(moved, question=_turn_text(item.question, rotation))
    turned: Any = item.extra[key]
    if isinstance(turned, str):
        turned = _turn_text(turned, rotation)
    elif isinstance(turned, dict):
        turned = dict(zip(turned, _turn(list(turned.values()), rotation), strict=True))
    else:
        turned = _turn_list(turned, rotation)
    return replace(moved, extra={**item.extra, key: turned})


def _turn(values: Sequence[str], rotation: int) -> list[str]:
    return [*values[rotation:], *values[:rotation]]


def _turn_list(choices: Sequence[str], rotation: int) -> list[str]:
    """Rotate choices, each label staying in its place."""
    texts = list(options_from(choices).values())
    labels = [choice[: len(choice) - len(text)] for choice, text in zip(choices, texts, strict=True)]
    return [label + text for label, text in zip(labels, _turn(texts, rotation), strict=True)]


def _turn_text(text: str, rotation: int) -> str:
    """Rotate options that are written in a text, all else staying in its place."""
    spans = option_spans(text)
    texts = _turn([text[start:end] for start, end in spans], rotation)
    parts, at = [], 0
    for (start, end), option in zip(spans, texts, strict=True):
        parts += [text[at:start], option]
        at = end
    return "".join(parts) + text[at:]


def _reference(reference: str, right: str, letter: str) -> str:
    """Write another letter into a reference "B", "(b)" or "(B) red"."""
    at = reference.upper().index(right)
    return reference[:at] + (letter if reference[at].isupper() else letter.lower()) + reference[at + 1 :]
