# Table 10, row 12 (InternVL3-2B): global image with mask prompts, and RoI-aligned feature replay.
_base_ = "_base_/families/internvl3_2b.py"
model = dict(
    prompt_encoder=dict(type="MaskPrompt"),
    region_extractor=dict(type="RoIAlignReplay", output_size=16),
)
