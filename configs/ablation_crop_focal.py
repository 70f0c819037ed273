# Not in the paper; Table 9, row 1 with the focal crops of row 2 (three times the box, sides of at least 48 pixels).
_base_ = [
    "_base_/models/plm_1b.py",
    "_base_/data/gar_2_5m.py",
    "_base_/schedules/one_pass_2_4m.py",
    "_base_/runtime_8_ranks.py",
]
model = dict(
    prompt_encoder=dict(type="MaskPrompt"),
    region_extractor=dict(type="Crop", context_scale="dam"),
    use_global=False,
)
