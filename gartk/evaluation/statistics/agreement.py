"""How far two judges agree: on single verdicts, and on the order of the models.

Source: Grasp Any Region, Table 14, which gives scores and ranks of ten models by four judges.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from gartk.errors import DataError
from gartk.evaluation.item import JUDGE, Item
from gartk.evaluation.judgements import Verdict, replies_of
from gartk.evaluation.statistics.item_scores import item_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gartk.evaluation.benchmarks.base import Benchmark

RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Agreement:
    """Two judges on the same questions about the same predictions.

    ``both`` questions have a readable verdict of both, ``only_first`` and ``only_second`` of one alone;
    ``other_prediction`` counts the questions about items whose predictions differ, which are left out.
    ``kappa`` is Cohen's, with quadratic weights where the verdicts are ratings (in steps of a half); None
    where both judges always say the same. ``interval`` is its bootstrap interval over questions.
    ``table`` counts each pair of verdicts, "first / second".
    """

    first: str
    second: str
    both: int
    only_first: int
    only_second: int
    other_prediction: int
    same: int
    kappa: float | None
    interval: tuple[float, float] | None
    weighted: bool
    table: Mapping[str, int]

    @property
    def percent(self) -> float | None:
        """The share of equal verdicts, in per cent of those that both gave."""
        return 100 * self.same / self.both if self.both else None

    def __str__(self) -> str:
        if self.percent is None:
            return f"{self.first} and {self.second} have no verdict in common"
        kappa = "none" if self.kappa is None else f"{self.kappa:.2f}"
        span = "" if self.interval is None else f" ({self.interval[0]:.2f} to {self.interval[1]:.2f})"
        name = "weighted kappa" if self.weighted else "kappa"
        return f"{self.same}/{self.both} = {self.percent:.1f} %, {name} {kappa}{span}"

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values, with percent and text."""
        return {**asdict(self), "percent": self.percent, "text": str(self)}


@dataclass(frozen=True)
class RankAgreement:
    """Two judges' orders of the same models: Kendall's tau-b and Spearman's rho, over ``models``."""

    first: str
    second: str
    models: int
    kendall: float | None
    spearman: float | None

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return asdict(self)


def verdicts_of(benchmark: Benchmark, item: Item, judge: str = JUDGE) -> dict[int, Verdict]:
    """Return a judge's verdicts about an item by question, read tolerantly, None where there is none."""
    found: dict[int, Verdict] = {}
    for number, reply in enumerate(replies_of(item, judge)):
        said = None if reply is None else benchmark.read_reply(item, number, reply).tolerant
        found[number] = None if said is None else benchmark.verdict(item, number, said)
    return found


def agree(
    benchmark: Benchmark,
    first: Sequence[Item],
    second: Sequence[Item],
    *,
    names: tuple[str, str] = ("first", "second"),
    seed: int = 0,
) -> Agreement:
    """Compare the verdicts that two judges gave on the same items, each as ``replies["judge"]``.

    Items meet by sub-task and id. What is compared is what each reply says when read tolerantly, as the
    benchmark's ``verdict`` tells it: a label, or a rating.

    Raises: DataError if no item is in both.
    """
    ones, twos = _by_key(first), _by_key(second)
    common = [key for key in ones if key in twos]
    if not common:
        raise DataError(
            f"{names[0]} and {names[1]} have no item in common; are these files of one benchmark?"
        )
    alike = [key for key in common if ones[key].prediction == twos[key].prediction]
    other = sum(len(verdicts_of(benchmark, ones[key])) for key in common) - sum(
        len(verdicts_of(benchmark, ones[key])) for key in alike
    )
    pairs: list[tuple[Verdict, Verdict]] = []
    for key in alike:
        said = verdicts_of(benchmark, ones[key]), verdicts_of(benchmark, twos[key])
        pairs += [(said[0].get(q), said[1].get(q)) for q in dict.fromkeys([*said[0], *said[1]])]
    return compare_verdicts(pairs, names=names, other_prediction=other, seed=seed)


def compare_verdicts(
    pairs: Sequence[tuple[Verdict, Verdict]],
    *,
    names: tuple[str, str] = ("first", "second"),
    other_prediction: int = 0,
    seed: int = 0,
) -> Agreement:
    """Compare pairs of verdicts, of which None is missing; numbers are ratings, all else are labels."""
    known = [(one, two) for one, two in pairs if one is not None and two is not None]
    table: dict[str, int] = {}
    for one, two in known:
        table[f"{one} / {two}"] = table.get(f"{one} / {two}", 0) + 1
    weighted = bool(known) and all(isinstance(v, float) for pair in known for v in pair)
    kappa, interval = _kappa(known, weighted, seed)
    return Agreement(
        first=names[0],
        second=names[1],
        both=len(known),
        only_first=sum(two is None and one is not None for one, two in pairs),
        only_second=sum(one is None and two is not None for one, two in pairs),
        other_prediction=other_prediction,
        same=sum(one == two for one, two in known),
        kappa=kappa,
        interval=interval,
        weighted=weighted,
        table=dict(sorted(table.items())),
    )


def rank_agreement(scores: Mapping[str, Mapping[str, float]]) -> list[RankAgreement]:
    """Compare the order of models by every two judges; ``scores`` are by judge and then by model."""
    from scipy.stats import kendalltau, spearmanr

    found = []
    for first, second in combinations(scores, 2):
        models = [model for model in scores[first] if model in scores[second]]
        one = [scores[first][model] for model in models]
        two = [scores[second][model] for model in models]
        # One model, or the same score for all, is no order.
        ordered = len(set(one)) > 1 and len(set(two)) > 1
        kendall = float(kendalltau(one, two).statistic) if ordered else None
        spearman = float(spearmanr(one, two).statistic) if ordered else None
        found.append(RankAgreement(first, second, len(models), kendall, spearman))
    return found


def ranks(scores: Mapping[str, float]) -> dict[str, int]:
    """Return the rank of each model, 1 for the highest score; equal scores share the better rank."""
    values = sorted(scores.values(), reverse=True)
    return {model: values.index(score) + 1 for model, score in scores.items()}


def _by_key(items: Sequence[Item]) -> dict[Hashable, Item]:
    return {(item.task, item.id): item for item in items if JUDGE in item.replies}


def _kappa(
    pairs: Sequence[tuple[Verdict, Verdict]], weighted: bool, seed: int
) -> tuple[float | None, tuple[float, float] | None]:
    if not pairs:
        return None, None
    codes = _codes(pairs, weighted)
    kappa = _cohen(codes, weighted)
    generator = np.random.default_rng(seed)
    drawn = [codes[generator.integers(len(codes), size=len(codes))] for _ in range(RESAMPLES)]
    values = [_cohen(sample, weighted) for sample in drawn]
    known = [value for value in values if value is not None]
    if kappa is None or not known:
        return kappa, None
    low, high = np.percentile(known, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return kappa, (float(low), float(high))


def _codes(pairs: Sequence[tuple[Verdict, Verdict]], weighted: bool) -> NDArray[np.int64]:
    """Number the labels in any order; ratings by their value, in steps of a half."""
    if weighted:
        halves = np.array([[round(2 * float(v or 0)) for v in pair] for pair in pairs], dtype=np.int64)
        return halves - halves.min()
    numbers = {label: number for number, label in enumerate(sorted({str(v) for pair in pairs for v in pair}))}
    return np.array([[numbers[str(v)] for v in pair] for pair in pairs], dtype=np.int64)


def _cohen(codes: NDArray[np.int64], weighted: bool) -> float | None:
    """Cohen's kappa of two columns of label numbers; None where both judges say one thing alone."""
    from sklearn.metrics import cohen_kappa_score

    if (codes == codes[0, 0]).all():
        return None
    weights = "quadratic" if weighted else None
    labels = range(int(codes.max()) + 1)
    return float(cohen_kappa_score(codes[:, 0], codes[:, 1], labels=labels, weights=weights))


def headline_scores(benchmark: Benchmark, models: Mapping[str, Sequence[Item]]) -> dict[str, float]:
    """Return the score of each model by which judges are compared; models without one are left out.

    It is the mean over items by the benchmark's headline rule, which reads replies tolerantly; of right or
    wrong it is in per cent, with a missing item as wrong.
    """
    found = {}
    for model, items in models.items():
        scores = item_scores(benchmark, items)
        values = scores.rule(scores.headline or None)
        known = [value for value in values if value is not None]
        if known:
            found[model] = 100 * sum(known) / len(values) if scores.is_binary else sum(known) / len(known)
    return found
