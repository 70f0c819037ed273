# Table 9, row 6: global image without prompts, and RoI-aligned feature replay.
_base_ = [
    "_base_/models/plm_1b.py",
    "_base_/data/gar_2_5m.py",
    "_base_/schedules/one_pass_2_4m.py",
    "_base_/runtime_8_ranks.py",
]
model = dict(
    prompt_encoder=dict(type="NullPrompt"),
    region_extractor=dict(type="RoIAlignReplay", output_size=16),
)
