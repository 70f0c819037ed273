# Table 10, row 5 (Qwen2.5-VL-3B): crops of the regions alone, with their masks.
_base_ = "_base_/families/qwen2_5_vl_3b.py"
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="Crop"), use_global=False)
