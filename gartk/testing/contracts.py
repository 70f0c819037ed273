"""The contracts of parts, one per kind: call them in the tests of a package that adds parts.

    from gartk.testing.contracts import check_extractor

    def test_star_extractor_keeps_the_contract():
        check_extractor(dict(type=StarExtractor, output_size=4))

Each takes a registered name, a config with ``type``, or the class, and raises ContractViolation
(an AssertionError) that names the promise that is broken. gartk runs them over every name that it
registers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gartk.testing.benchmark_contract import check_benchmark
from gartk.testing.checks import ContractViolation
from gartk.testing.connector_contract import check_connector
from gartk.testing.data_contract import check_dataset, check_segmenter
from gartk.testing.evaluation_contract import check_chat_model, check_judge, check_model_under_test
from gartk.testing.extractor_contract import check_extractor
from gartk.testing.llm_contract import check_llm
from gartk.testing.model_contract import check_model
from gartk.testing.prompt_contract import check_prompt_encoder
from gartk.testing.tiler_contract import check_tiler
from gartk.testing.vision_contract import check_vision_backbone

CONTRACTS: Mapping[str, Callable[..., None]] = {
    "VISION_BACKBONES": check_vision_backbone,
    "CONNECTORS": check_connector,
    "PROMPT_ENCODERS": check_prompt_encoder,
    "REGION_EXTRACTORS": check_extractor,
    "LLMS": check_llm,
    "MODELS": check_model,
    "TILERS": check_tiler,
    "SEGMENTERS": check_segmenter,
    "DATASETS": check_dataset,
    "BENCHMARKS": check_benchmark,
    "CHAT_MODELS": check_chat_model,
    "MODELS_UNDER_TEST": check_model_under_test,
    "JUDGES": check_judge,
}
"""The contract of what a registry builds, by the registry's name."""

__all__ = [
    "CONTRACTS",
    "ContractViolation",
    "check_chat_model",
    "check_benchmark",
    "check_connector",
    "check_dataset",
    "check_extractor",
    "check_judge",
    "check_llm",
    "check_model",
    "check_model_under_test",
    "check_prompt_encoder",
    "check_segmenter",
    "check_tiler",
    "check_vision_backbone",
]
