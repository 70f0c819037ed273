# Table 10, row 6 (Qwen2.5-VL-3B): focal crops that look at the whole image through gated cross-attention, as
# Describe Anything.
_base_ = "_base_/families/qwen2_5_vl_3b.py"
model = dict(
    prompt_encoder=dict(type="MaskPrompt"),
    region_extractor=dict(type="GatedCrossAttentionCrop"),
    use_global=False,
)
