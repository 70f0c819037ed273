# Table 10, row 6 (Qwen2.5-VL-3B): focal crops that look at the whole image through gated cross-attention, as
# Describe Anything.
_base_ = [
    "_base_/models/qwen2_5_vl_3b.py",
    "_base_/data/gar_2_5m.py",
    "_base_/schedules/one_pass_2_4m.py",
    "_base_/runtime_8_ranks.py",
]
model = dict(
    prompt_encoder=dict(type="MaskPrompt"),
    region_extractor=dict(type="GatedCrossAttentionCrop"),
    use_global=False,
)
