# Not in the paper; Table 9, row 4 on the tiny base with one change: mask prompts that tell which region is which,
# each in channels of its own.
_base_ = [
    "../_base_/models/tiny.py",
    "../_base_/data/region_world.py",
    "../_base_/schedules/tiny.py",
    "../_base_/runtime.py",
]
model = dict(
    prompt_encoder=dict(type="MaskPrompt", mode="identity"),
    region_extractor=dict(type="RoIAlignReplay", output_size=4),
)
