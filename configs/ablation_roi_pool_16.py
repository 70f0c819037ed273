# Not in the paper; Table 9, row 5 with as many tokens as row 4 has: 16x16 bins, each pooled.
_base_ = [
    "_base_/models/plm_1b.py",
    "_base_/data/gar_2_5m.py",
    "_base_/schedules/one_pass_2_4m.py",
    "_base_/runtime_8_ranks.py",
]
model = dict(prompt_encoder=dict(type="NullPrompt"), region_extractor=dict(type="RoIPool", output_size=16))
