# Not in the paper; Table 9, row 4 on the tiny base with one change: a replay with one sample a bin.
_base_ = [
    "../_base_/models/tiny.py",
    "../_base_/data/region_world.py",
    "../_base_/schedules/tiny.py",
    "../_base_/runtime.py",
]
model = dict(
    prompt_encoder=dict(type="MaskPrompt"),
    region_extractor=dict(type="RoIAlignReplay", output_size=4, sampling_ratio=1),
)
