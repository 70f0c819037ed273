# Table 9, row 5: global image without prompts, and one RoI-pooled feature.
_base_ = "_base_/families/plm_1b.py"
model = dict(prompt_encoder=dict(type="NullPrompt"), region_extractor=dict(type="RoIPool"))
