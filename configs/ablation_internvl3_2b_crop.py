# Table 10, row 9 (InternVL3-2B): crops of the regions alone, with their masks.
_base_ = "_base_/families/internvl3_2b.py"
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="Crop"), use_global=False)
