# Not in the paper; on the tiny base, Table 9, row 1 with the focal crops of row 2 (three times the box, sides of at
# least 48 pixels).
_base_ = "ablation_crop.py"
model = dict(region_extractor=dict(context_scale="dam"))
