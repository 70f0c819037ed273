# Table 9, row 4: global image with mask prompts, and RoI-aligned feature replay.
_base_ = "_base_/families/plm_1b.py"
model = dict(
    prompt_encoder=dict(type="MaskPrompt"),
    region_extractor=dict(type="RoIAlignReplay", output_size=16),
)
