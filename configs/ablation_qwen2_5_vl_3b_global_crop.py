# Table 10, row 7 (Qwen2.5-VL-3B): the global image and crops, both with mask prompts.
_base_ = "_base_/families/qwen2_5_vl_3b.py"
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="Crop"))
