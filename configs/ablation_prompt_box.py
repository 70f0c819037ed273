# Not in the paper; Table 9, row 4 with one change: boxes in place of masks as prompts of the global image.
_base_ = [
    "_base_/models/plm_1b.py",
    "_base_/data/gar_2_5m.py",
    "_base_/schedules/one_pass_2_4m.py",
    "_base_/runtime_8_ranks.py",
]
model = dict(
    prompt_encoder=dict(type="BoxPrompt"),
    region_extractor=dict(type="RoIAlignReplay", output_size=16),
)
