"""Which numbers the regions of a row have, where they are not 0, 1, ... in order.

The release calls a single region ``<Prompt1>``, with the placeholders of that number; a row of its ids may
have placeholders of any prompts. In gartk region i has the placeholders of ``<Prompt i>``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_PROMPT = re.compile(r"<Prompt(\d+)>")


def numbers_in(row: Tensor, tokens: Sequence[int]) -> list[int]:
    """Return the places in ``tokens`` of those that a row of ids (L,) has, ascending."""
    present = set(row.tolist())
    return [number for number, token in enumerate(tokens) if token in present]


def consecutive_placeholders(input_ids: Tensor, region_ids: Sequence[int]) -> Tensor:
    """Rename the placeholders of every row, so that the j-th number it has becomes j.

    Shapes: input_ids (B, L); returns (B, L).
    """
    ids = torch.as_tensor(region_ids, device=input_ids.device)
    found = input_ids[..., None] == ids
    rank = found.any(1).cumsum(1) - 1
    renamed = (found * ids[rank.clamp(min=0)][:, None]).sum(-1)
    return torch.where(found.any(-1), renamed, input_ids)


def as_regions(text: str, numbers: Sequence[int]) -> str:
    """Turn the prompts that a model calls its regions by back into ``<Prompt i>`` for region i.

    ``numbers[i]`` is the number of the prompt that stood for region i; other prompts stay.
    """
    own = {str(number): region for region, number in enumerate(numbers)}
    return _PROMPT.sub(lambda m: f"<Prompt{own[m[1]]}>" if m[1] in own else m[0], text)
