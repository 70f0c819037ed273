# Table 9, row 5 on the tiny base: global image without prompts, and one RoI-pooled feature.
_base_ = [
    "../_base_/models/tiny.py",
    "../_base_/data/region_world.py",
    "../_base_/schedules/tiny.py",
    "../_base_/runtime.py",
]
model = dict(prompt_encoder=dict(type="NullPrompt"), region_extractor=dict(type="RoIPool"))
