# Not in the paper; on the tiny base, Table 9, row 2 with the tight crops of row 1.
_base_ = [
    "../_base_/models/tiny.py",
    "../_base_/data/region_world.py",
    "../_base_/schedules/tiny.py",
    "../_base_/runtime.py",
]
model = dict(
    prompt_encoder=dict(type="MaskPrompt"),
    region_extractor=dict(type="GatedCrossAttentionCrop", context_scale=1.0),
    use_global=False,
)
