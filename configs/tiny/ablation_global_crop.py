# Table 9, row 3 on the tiny base: the global image and crops, both with mask prompts.
_base_ = "../_base_/families/tiny.py"
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="Crop"))
