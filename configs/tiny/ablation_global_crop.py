# Table 9, row 3 on the tiny base: the global image and crops, both with mask prompts.
_base_ = [
    "../_base_/models/tiny.py",
    "../_base_/data/region_world.py",
    "../_base_/schedules/tiny.py",
    "../_base_/runtime.py",
]
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="Crop"))
