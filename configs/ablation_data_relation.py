# Table 11, row 3: the seed, the fine-grained and the relation data (2.37M samples, one pass), which is row 4 of
# Table 9.
_base_ = [
    "_base_/models/plm_1b.py",
    "_base_/data/gar_2_5m.py",
    "_base_/schedules/one_pass_2_4m.py",
    "_base_/runtime_8_ranks.py",
]
model = dict(
    prompt_encoder=dict(type="MaskPrompt"),
    region_extractor=dict(type="RoIAlignReplay", output_size=16),
)
