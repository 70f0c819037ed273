# Table 9, row 2 on the tiny base: focal crops that look at the whole image through gated cross-attention, as
# Describe Anything.
_base_ = "../_base_/families/tiny.py"
model = dict(
    prompt_encoder=dict(type="MaskPrompt"),
    region_extractor=dict(type="GatedCrossAttentionCrop"),
    use_global=False,
)
