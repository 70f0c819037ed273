# Table 9, row 1: crops of the regions alone, with their masks.
_base_ = [
    "_base_/models/plm_1b.py",
    "_base_/data/gar_2_5m.py",
    "_base_/schedules/one_pass_2_4m.py",
    "_base_/runtime_8_ranks.py",
]
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="Crop"), use_global=False)
