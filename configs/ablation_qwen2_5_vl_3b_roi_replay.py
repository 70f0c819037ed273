# Table 10, row 8 (Qwen2.5-VL-3B): global image with mask prompts, and RoI-aligned feature replay.
_base_ = "_base_/families/qwen2_5_vl_3b.py"
model = dict(
    prompt_encoder=dict(type="MaskPrompt"),
    region_extractor=dict(type="RoIAlignReplay", output_size=16),
)
