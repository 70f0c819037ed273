# Table 9, row 5 on the tiny base: global image without prompts, and one RoI-pooled feature.
_base_ = "../_base_/families/tiny.py"
model = dict(prompt_encoder=dict(type="NullPrompt"), region_extractor=dict(type="RoIPool"))
