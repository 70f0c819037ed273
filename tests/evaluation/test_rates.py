"""A score is never shown without what it was counted over."""

from __future__ import annotations

import numpy as np

from gartk.evaluation.rates import Column, Mean, Rate, Ratio, leaves


def test_a_rate_is_shown_with_its_denominator() -> None:
    assert str(Rate(203, 424)) == "203/424 = 47.9 %"
    assert str(Rate(1, 3, missing=1)) == "1/3 = 33.3 % (1 missing)"


def test_missing_verdicts_stay_in_the_denominator() -> None:
    rate = Rate.of([True, False, None, True])
    assert (rate.hits, rate.total, rate.missing, rate.percent) == (2, 4, 1, 50.0)


def test_a_rate_of_nothing_has_no_percentage() -> None:
    assert Rate(0, 0).percent is None
    assert Rate.of([None, None]).percent is None
    assert str(Rate.of([None])) == "0/1 = no score (1 missing)"


def test_a_mean_says_how_many_values_it_is_over() -> None:
    mean = Mean.of([50.0, None, 100.0])
    assert (mean.value, mean.scored, mean.total, mean.missing) == (75.0, 2, 3, 1)
    assert str(mean) == "75.0 over 2/3 (1 missing)"
    assert Mean.of([None]).value is None
    assert Mean.of([1e308, 1e308]).value is None


def test_json_has_the_text_beside_the_numbers() -> None:
    assert Rate(1, 2).to_json() == {
        "hits": 1,
        "total": 2,
        "missing": 0,
        "percent": 50.0,
        "text": "1/2 = 50.0 %",
    }
    ratio = Ratio(Mean(3.975, 40, 40), Mean(7.1, 40, 40), share)
    assert ratio.to_json()["text"] == "56.0 = 100 x 3.975/7.100 over 40/40"
    none = Ratio(Mean(None, 0, 2), Mean(None, 0, 2), share)
    assert none.to_json()["text"] == "no score over 0/2 (2 missing)"


def share(model: float, reference: float) -> float | None:
    return 100 * model / reference if reference > 0 else None


# Four items, drawn as they are, the first two twice, and the missing one alone.
WEIGHTS = np.array([[1.0, 1, 1, 1], [2, 2, 0, 0], [0, 0, 4, 0]])


def test_a_score_is_summed_up_anew_for_every_resample() -> None:
    values = [1.0, 0.0, None, 1.0]
    rate, mean = Rate.of(values), Mean.of(values)
    assert np.array_equal(rate.under(WEIGHTS), [50, 50, np.nan], equal_nan=True)
    assert np.allclose(mean.under(WEIGHTS), [2 / 3, 0.5, np.nan], equal_nan=True)
    assert Rate.of([1, 1], [0, 3], total=8).under(WEIGHTS).tolist()[:2] == [25, 25]
    halves = [Mean.of([1.0, 3.0], [0, 1]), Mean.of([None, 5.0], [2, 3])]
    assert np.array_equal(Mean.over(halves).under(WEIGHTS), [3.5, np.nan, np.nan], equal_nan=True)
    some = Mean.over(halves, whole=False)
    assert np.array_equal(some.under(WEIGHTS), [3.5, 2, np.nan], equal_nan=True)
    ratio = Ratio(Mean.of([2.0, 4.0, None, 6.0]), Mean.of([4.0, 4.0, None, 8.0]), share)
    assert np.allclose(ratio.under(WEIGHTS), [75, 75, np.nan], equal_nan=True)


def test_a_score_says_what_each_item_contributes() -> None:
    assert Rate.of([1, 0, None], [3, 5, 7]).column == Column((100.0, 0.0, 0.0), (3, 5, 7))
    both = Mean.over([Mean.of([1.0, 2.0]), Mean.of([3.0, None])])
    assert both.column == Column((2.0, None), (0, 1))
    assert [path for path, _ in leaves({"a": {"b": both}, "c": both})] == [("a", "b"), ("c",)]
