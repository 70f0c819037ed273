"""A score is never shown without what it was counted over."""

from __future__ import annotations

from gartk.evaluation.scoring.rates import Mean, Rate, Ratio


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
    mean = Mean.of([0.5, None, 1.0], scale=100)
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
    ratio = Ratio(56.0, Mean(3.975, 40, 40), Mean(7.1, 40, 40))
    assert ratio.to_json()["text"] == "56.0 = 100 x 3.975/7.100 over 40/40"
    assert (
        Ratio(None, Mean(None, 0, 2), Mean(None, 0, 2)).to_json()["text"] == "no score over 0/2 (2 missing)"
    )
