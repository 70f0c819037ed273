# Table 9, row 6: global image without prompts, and RoI-aligned feature replay.
_base_ = "_base_/families/plm_1b.py"
model = dict(
    prompt_encoder=dict(type="NullPrompt"),
    region_extractor=dict(type="RoIAlignReplay", output_size=16),
)
