# Table 10, row 11 (InternVL3-2B): the global image and crops, both with mask prompts.
_base_ = "_base_/families/internvl3_2b.py"
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="Crop"))
