"""A part of a plugin comes back from a checkpoint when the files it was made from are gone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gartk.checkpoints import Checkpoint
from gartk.data.collate import collate
from gartk.geometry import patches_by_cell
from gartk.models.connectors import Connector
from gartk.registry import CONNECTORS, MODELS
from gartk.structures import TileGrid
from gartk.testing.contracts import ContractViolation, check_connector
from gartk.testing.toy import toy_model, toy_sample

HIDDEN = 12


class StarConnector(Connector):
    """A plugin's connector that starts from weights of its own; nothing in it speaks of checkpoints."""

    def __init__(self, *, in_dim: int, out_dim: int, pretrained: str | None = None) -> None:
        super().__init__(pool=2)
        self.inner = nn.Linear(in_dim * 4, HIDDEN)
        self.outer = nn.Linear(HIDDEN, out_dim)
        if pretrained is not None:
            self.load_state_dict(load_file(Path(pretrained) / "star.safetensors"))

    def forward(self, features: Tensor, grids: Sequence[TileGrid]) -> Tensor:
        joined = patches_by_cell(features, grids, self.pool).flatten(1)
        return self.outer(self.inner(joined).tanh())


class SizedConnector(StarConnector):
    """Reads its width from its source, and has not said so."""

    def __init__(self, *, in_dim: int, out_dim: int, pretrained: str | None = None) -> None:
        width = (
            1 if pretrained is None else len(load_file(Path(pretrained) / "star.safetensors")["inner.bias"])
        )
        super().__init__(in_dim=in_dim, out_dim=out_dim)
        self.scale = nn.Parameter(torch.ones(width))


class ClingingConnector(StarConnector):
    """Keeps the place of its source."""

    def __init__(self, *, in_dim: int, out_dim: int, weights: str) -> None:
        super().__init__(in_dim=in_dim, out_dim=out_dim, pretrained=weights)


def write_source(folder: Path, in_dim: int, out_dim: int) -> str:
    """Save weights for a StarConnector."""
    folder.mkdir()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        made = StarConnector(in_dim=in_dim, out_dim=out_dim)
    save_file(made.state_dict(), folder / "star.safetensors")
    return str(folder)


@pytest.fixture
def registered() -> Iterator[None]:
    CONNECTORS.register(StarConnector, name="star.StarConnector")
    yield
    CONNECTORS.unregister("star.StarConnector")


def test_a_connector_with_weights_of_its_own_keeps_the_contract(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", 16, 24)
    check_connector({"type": StarConnector, "pretrained": source})
    assert (tmp_path / "source" / "star.safetensors").is_file()


@pytest.mark.parametrize(
    ("part", "argument", "promise"),
    [
        (SizedConnector, "pretrained", "gives the same, without a source.*size mismatch"),
        (ClingingConnector, "weights", r"saved_cfg\(\) names no file of the source"),
    ],
)
def test_a_connector_that_needs_its_source_later_breaks_it(
    part: type, argument: str, promise: str, tmp_path: Path
) -> None:
    source = write_source(tmp_path / "source", 16, 24)
    with pytest.raises(ContractViolation, match=rf"(?s){promise}"):
        check_connector({"type": part, argument: source})


def _answer(model: Any) -> Tensor:
    processor = model.make_processor()
    batch = collate([processor(toy_sample(num_regions=2))], pad_side="right", pad_id=processor.pad_id)
    with torch.no_grad():
        logits: Tensor = model.eval()(batch)
    return logits


@pytest.mark.usefixtures("registered")
def test_a_model_with_it_is_loaded_after_its_source_was_moved_away(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", 64, 48)
    model = MODELS.build(toy_model(connector={"type": "star.StarConnector", "pretrained": source}))
    wanted = _answer(model)
    Checkpoint.save(model, tmp_path / "saved")
    shutil.rmtree(source)
    again = Checkpoint.open(tmp_path / "saved").build()
    assert type(again.connector) is StarConnector
    assert torch.equal(_answer(again), wanted)
