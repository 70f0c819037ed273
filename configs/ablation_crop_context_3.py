# Not in the paper; Table 9, row 1 with crops of three times the box's sides.
_base_ = "ablation_crop.py"
model = dict(region_extractor=dict(context_scale=3.0))
