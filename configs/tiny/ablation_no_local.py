# Table 9, row 8 on the tiny base: mask prompts alone, no local tokens.
_base_ = "../_base_/families/tiny.py"
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="NoLocal"))
