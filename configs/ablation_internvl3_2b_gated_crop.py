# Table 10, row 10 (InternVL3-2B): focal crops that look at the whole image through gated cross-attention, as
# Describe Anything.
_base_ = "_base_/families/internvl3_2b.py"
model = dict(
    prompt_encoder=dict(type="MaskPrompt"),
    region_extractor=dict(type="GatedCrossAttentionCrop"),
    use_global=False,
)
