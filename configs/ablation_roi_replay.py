# Table 9, row 4: global image with mask prompts, and RoI-aligned feature replay.
# PerceptionLM-1B on GAR-2.5M, AdamW 1e-5 with cosine decay, global batch 64 (8 ranks x 8 accumulated).
_base_ = [
    "_base_/models/plm_1b.py",
    "_base_/data/gar_2_5m.py",
    "_base_/schedules/adamw_cosine.py",
    "_base_/runtime.py",
]
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="RoIAlignReplay", output_size=16))
schedule = dict(max_iters=37000)
precision = "bf16"
accumulate = 8
