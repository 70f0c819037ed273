# Not in the paper; Table 9, row 4 on the tiny base with one change: at most 4 tiles and a thumbnail in place of one
# tile.
_base_ = [
    "../_base_/models/tiny.py",
    "../_base_/data/region_world.py",
    "../_base_/schedules/tiny.py",
    "../_base_/runtime.py",
]
model = dict(
    vision=dict(max_num_tiles=4),
    prompt_encoder=dict(type="MaskPrompt"),
    region_extractor=dict(type="RoIAlignReplay", output_size=4),
)
