# Table 9, row 7 on the tiny base: crops of the regions alone, without masks.
_base_ = "../_base_/families/tiny.py"
model = dict(
    prompt_encoder=dict(type="NullPrompt"),
    region_extractor=dict(type="Crop", with_mask=False),
    use_global=False,
)
