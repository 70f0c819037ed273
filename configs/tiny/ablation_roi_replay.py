# Table 9, row 4 on the tiny base: mask prompts and RoI-aligned feature replay.
_base_ = [
    "../_base_/models/tiny.py",
    "../_base_/data/region_world.py",
    "../_base_/schedules/tiny.py",
    "../_base_/runtime.py",
]
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="RoIAlignReplay", output_size=4))
