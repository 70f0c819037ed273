# Not in the paper; on the tiny base, Table 9, row 1 with the focal crops of row 2 (three times the box, sides of at
# least 48 pixels).
_base_ = [
    "../_base_/models/tiny.py",
    "../_base_/data/region_world.py",
    "../_base_/schedules/tiny.py",
    "../_base_/runtime.py",
]
model = dict(
    prompt_encoder=dict(type="MaskPrompt"),
    region_extractor=dict(type="Crop", context_scale="dam"),
    use_global=False,
)
