# Table 10, row 8 (Qwen2.5-VL-3B): global image with mask prompts, and RoI-aligned feature replay.
_base_ = [
    "_base_/models/qwen2_5_vl_3b.py",
    "_base_/data/gar_2_5m.py",
    "_base_/schedules/one_pass_2_4m.py",
    "_base_/runtime_8_ranks.py",
]
model = dict(
    prompt_encoder=dict(type="MaskPrompt"),
    region_extractor=dict(type="RoIAlignReplay", output_size=16),
)
