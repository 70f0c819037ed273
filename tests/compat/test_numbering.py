"""Regions whose numbers are not 0, 1, ... get them, in ids and in answers."""

from __future__ import annotations

import torch

from gartk.compat.numbering import as_regions, consecutive_placeholders


def test_prompts_in_an_answer_are_given_back_as_the_regions_they_stand_for() -> None:
    assert as_regions("<Prompt1> is left of <Prompt0>.", [1]) == "<Prompt0> is left of <Prompt0>."
    assert as_regions("<Prompt1> <Prompt0>", [0, 1]) == "<Prompt1> <Prompt0>"


def test_placeholders_are_renumbered_row_by_row_in_the_order_of_their_numbers() -> None:
    ids = torch.tensor([[1, 50, 50, 9, 70, 70], [60, 60, 2, 50, 50, 0], [3, 3, 3, 3, 3, 3]])
    renumbered = consecutive_placeholders(ids, [70, 60, 50])
    assert renumbered.tolist() == [[1, 60, 60, 9, 70, 70], [70, 70, 2, 60, 60, 0], [3] * 6]
    assert torch.equal(consecutive_placeholders(renumbered, [70, 60, 50]), renumbered)
