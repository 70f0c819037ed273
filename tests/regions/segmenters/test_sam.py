"""The SAM adapters run the real transformers classes, here at toy size with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from gartk.errors import ConfigError
from gartk.regions import Region
from gartk.regions.segmenters import Sam2Segmenter, SamSegmenter, build_segmenter
from gartk.registry import SEGMENTERS

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 90, 3), dtype=np.uint8)


def _save_toy_sam(folder: Path) -> None:
    torch.manual_seed(0)
    config = transformers.SamConfig(
        vision_config={
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 8,
            "mlp_dim": 16,
            "output_channels": 16,
            "window_size": 4,
            "num_pos_feats": 8,
            "global_attn_indexes": [0],
        },
        prompt_encoder_config={
            "hidden_size": 16,
            "image_size": 64,
            "patch_size": 8,
            "image_embedding_size": 8,
        },
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 16,
            "num_attention_heads": 2,
            "num_hidden_layers": 1,
            "iou_head_hidden_dim": 16,
        },
    )
    transformers.SamModel(config).save_pretrained(folder)
    images = transformers.SamImageProcessor(
        size={"longest_edge": 64},
        pad_size={"height": 64, "width": 64},
        mask_size={"longest_edge": 16},
        mask_pad_size={"height": 16, "width": 16},
    )
    transformers.SamProcessor(images).save_pretrained(folder)


def _save_toy_sam2(folder: Path) -> None:
    torch.manual_seed(0)
    backbone = transformers.Sam2HieraDetConfig(
        hidden_size=8,
        num_attention_heads=1,
        image_size=[64, 64],
        window_positional_embedding_background_size=[2, 2],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 1, 1],
        window_size_per_stage=[4, 4, 4, 4],
        global_attention_blocks=[3],
    )
    config = transformers.Sam2Config(
        vision_config=transformers.Sam2VisionConfig(
            backbone_config=backbone,
            backbone_channel_list=[64, 32, 16, 8],
            backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
            fpn_hidden_size=16,
        ),
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 16},
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 16,
            "num_attention_heads": 2,
            "num_hidden_layers": 1,
            "iou_head_hidden_dim": 16,
        },
    )
    transformers.Sam2Model(config).save_pretrained(folder)
    images = transformers.Sam2ImageProcessor(
        size={"height": 64, "width": 64}, mask_size={"height": 16, "width": 16}
    )
    transformers.Sam2Processor(images).save_pretrained(folder)


@pytest.fixture(scope="module", params=["SamSegmenter", "Sam2Segmenter"])
def segmenter(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    {"SamSegmenter": _save_toy_sam, "Sam2Segmenter": _save_toy_sam2}[request.param](folder)
    return build_segmenter({"type": request.param, "weights": str(folder)})


@pytest.mark.parametrize(
    "prompt",
    [
        {"points": [(10, 8)], "labels": [1]},
        {"points": [(10, 8), (60, 40)], "labels": [1, 0]},
        {"points": [(10, 8)], "labels": [1], "box": (2.0, 3.0, 40.0, 30.0)},
        {"points": [], "labels": [], "box": (2.0, 3.0, 40.0, 30.0)},
    ],
    ids=["point", "two points", "point and box", "box"],
)
def test_every_kind_of_prompt_gives_a_mask_of_the_images_own_size(segmenter, prompt):
    mask = segmenter.segment(IMAGE, **prompt)
    assert mask.shape == IMAGE.shape[:2]
    assert mask.dtype == np.bool_
    assert np.array_equal(segmenter.segment(IMAGE, **prompt), mask)


def test_a_single_point_takes_the_proposal_that_the_model_scores_highest(segmenter, monkeypatch):
    model, _ = segmenter._load()
    forward, seen = model.forward, {}

    def spy(*args, **kwargs):
        output = forward(*args, **kwargs)
        side = output.pred_masks.shape[-1]
        output.pred_masks = torch.full((1, 1, 3, side, side), -1.0)
        output.pred_masks[0, 0, 1] = 1.0
        output.iou_scores = torch.tensor([[[0.1, 0.9, 0.5]]])
        seen.update(kwargs)
        return output

    monkeypatch.setattr(model, "forward", spy)
    assert segmenter.segment(IMAGE, points=[(10, 8)], labels=[1]).all()
    assert seen["multimask_output"] is True


def test_points_are_scaled_to_the_models_input(segmenter, monkeypatch):
    model, _ = segmenter._load()
    forward, seen = model.forward, {}
    monkeypatch.setattr(model, "forward", lambda *a, **k: (seen.update(k), forward(*a, **k))[1])
    segmenter.segment(IMAGE, points=[(45, 24)], labels=[1])
    # SAM keeps the aspect ratio and pads; SAM 2 stretches to the square.
    y = 32.0 if type(segmenter) is Sam2Segmenter else 24 * 34 / 48
    assert seen["input_points"].reshape(-1).tolist() == pytest.approx([32.0, y], abs=0.01)


def test_a_region_from_sam_is_not_rough(segmenter, monkeypatch):
    monkeypatch.setattr(segmenter, "segment", lambda image, **_: np.ones(image.shape[:2], bool))
    assert not Region.from_points((3, 3), image=IMAGE, segmenter=segmenter).rough


@pytest.mark.parametrize("kind", [SamSegmenter, Sam2Segmenter])
def test_absent_weights_say_what_to_get_and_what_works_without(kind, tmp_path):
    with pytest.raises(ConfigError, match=f"{kind.__name__} cannot load.*") as caught:
        kind(weights=str(tmp_path / "none")).segment(IMAGE, points=[(1, 1)], labels=[1])
    assert "hf download facebook/sam" in str(caught.value)
    assert "GrabCutSegmenter" in str(caught.value)


def test_both_are_registered_and_building_them_loads_nothing():
    for name in ("SamSegmenter", "Sam2Segmenter"):
        assert SEGMENTERS.build({"type": name})._loaded is None
