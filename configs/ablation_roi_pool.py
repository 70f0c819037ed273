# Table 9, row 5: global image without prompts, and one RoI-pooled feature.
_base_ = [
    "_base_/models/plm_1b.py",
    "_base_/data/gar_2_5m.py",
    "_base_/schedules/one_pass_2_4m.py",
    "_base_/runtime_8_ranks.py",
]
model = dict(prompt_encoder=dict(type="NullPrompt"), region_extractor=dict(type="RoIPool"))
