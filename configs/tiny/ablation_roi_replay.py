# Table 9, row 4 on the tiny base: mask prompts and RoI-aligned feature replay.
_base_ = "../_base_/families/tiny.py"
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="RoIAlignReplay", output_size=4))
