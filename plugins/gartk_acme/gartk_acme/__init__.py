"""A gartk plugin with one example of every kind of part."""

from __future__ import annotations


def register() -> None:
    """Register all parts under names with the prefix ``acme``; gartk calls this when it loads plugins."""
    from gartk.registry import (
        BENCHMARKS,
        CHAT_MODELS,
        CONNECTORS,
        DATASETS,
        JUDGES,
        MODELS_UNDER_TEST,
        PROMPT_ENCODERS,
        REGION_EXTRACTORS,
    )
    from gartk_acme.benchmark import ColourBenchmark, JudgedColourBenchmark
    from gartk_acme.chat_model import ParrotChatModel
    from gartk_acme.connector import BottleneckConnector
    from gartk_acme.dataset import ColourDataset
    from gartk_acme.extractor import BoxMean
    from gartk_acme.judge import WordJudge
    from gartk_acme.model_under_test import MeanColour
    from gartk_acme.prompt import SharePrompt

    REGION_EXTRACTORS.register(BoxMean, name="acme.BoxMean")
    PROMPT_ENCODERS.register(SharePrompt, name="acme.SharePrompt")
    CONNECTORS.register(BottleneckConnector, name="acme.BottleneckConnector")
    DATASETS.register(ColourDataset, name="acme.ColourDataset")
    BENCHMARKS.register(ColourBenchmark, name="acme.ColourBenchmark")
    BENCHMARKS.register(JudgedColourBenchmark, name="acme.JudgedColourBenchmark")
    MODELS_UNDER_TEST.register(MeanColour, name="acme.MeanColour")
    JUDGES.register(WordJudge, name="acme.Judge")
    CHAT_MODELS.register(ParrotChatModel, name="acme.ParrotChatModel")
