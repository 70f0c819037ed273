# Table 9, row 1: crops of the regions alone, with their masks.
_base_ = "_base_/families/plm_1b.py"
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="Crop"), use_global=False)
