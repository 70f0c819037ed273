# Not in the paper; on the tiny base, Table 9, row 8 with masks that tell which region is which.
_base_ = [
    "../_base_/models/tiny.py",
    "../_base_/data/region_world.py",
    "../_base_/schedules/tiny.py",
    "../_base_/runtime.py",
]
model = dict(prompt_encoder=dict(type="MaskPrompt", mode="identity"), region_extractor=dict(type="NoLocal"))
