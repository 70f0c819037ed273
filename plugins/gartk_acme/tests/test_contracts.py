"""Every part of gartk-acme keeps the contract of its kind."""

from __future__ import annotations

from pathlib import Path

import torch
from gartk_acme.benchmark import ColourBenchmark, JudgedColourBenchmark
from gartk_acme.chat_model import ParrotChatModel
from gartk_acme.connector import WEIGHTS, BottleneckConnector
from gartk_acme.dataset import COLOURS, ColourDataset
from gartk_acme.extractor import BoxMean
from gartk_acme.judge import WordJudge
from gartk_acme.model_under_test import MeanColour
from gartk_acme.prompt import SharePrompt
from safetensors.torch import save_file

from gartk.evaluation.item import Item
from gartk.testing.benchmark_files import rle, write_json
from gartk.testing.contracts import (
    check_benchmark,
    check_chat_model,
    check_connector,
    check_dataset,
    check_extractor,
    check_judge,
    check_model_under_test,
    check_prompt_encoder,
)


def test_the_extractor() -> None:
    check_extractor(BoxMean)


def test_the_prompt_encoder() -> None:
    check_prompt_encoder(SharePrompt, footprint="mask")


def test_the_connector() -> None:
    check_connector(BottleneckConnector)


def test_the_connector_with_weights_of_its_own(tmp_path: Path) -> None:
    source = BottleneckConnector(in_dim=16, out_dim=24, hidden_dim=7)
    save_file(source.layers.state_dict(), tmp_path / WEIGHTS)
    check_connector({"type": BottleneckConnector, "pretrained": str(tmp_path)})
    built = BottleneckConnector(in_dim=16, out_dim=24, pretrained=str(tmp_path))
    assert torch.equal(built.layers[0].weight, source.layers[0].weight)
    assert built.saved_cfg() == {"pretrained": None, "hidden_dim": 7}


def test_the_dataset() -> None:
    check_dataset({"type": ColourDataset, "length": 6})


def test_the_model_under_test() -> None:
    check_model_under_test(MeanColour)


def test_the_chat_model_in_both_roles() -> None:
    check_chat_model({"type": ParrotChatModel, "says": "yes"})


def test_the_benchmarks(tmp_path: Path) -> None:
    records = [
        {"id": name, "image": f"{name}.png", "masks": [rle((1, 1, 9, 9))], "colour": name} for name in COLOURS
    ]
    write_json(tmp_path / "acme_colours" / "colours.json", records)
    for kind in (ColourBenchmark, JudgedColourBenchmark):
        check_benchmark(kind, root=tmp_path)


def test_the_judge() -> None:
    said = ("red", "a red box", "blue", None)
    items = [Item("acme-colours", str(n), reference="red", prediction=text) for n, text in enumerate(said)]
    for strict, verdicts in ((False, ["yes", "yes", "no", None]), (True, ["yes", "no", "no", None])):
        spec = {"type": WordJudge, "strict": strict}
        check_judge(spec, benchmark=JudgedColourBenchmark(), items=items)
        judged = WordJudge(strict).judge(items, benchmark=JudgedColourBenchmark())
        assert [item.replies.get("judge") for item in judged] == verdicts
