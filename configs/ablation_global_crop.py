# Table 9, row 3: the global image and crops, both with mask prompts.
_base_ = "_base_/families/plm_1b.py"
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="Crop"))
