# Table 9, row 8: mask prompts alone, no local tokens.
_base_ = "_base_/families/plm_1b.py"
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="NoLocal"))
