# Table 9, row 7: crops of the regions alone, without masks.
_base_ = "_base_/families/plm_1b.py"
model = dict(
    prompt_encoder=dict(type="NullPrompt"),
    region_extractor=dict(type="Crop", with_mask=False),
    use_global=False,
)
