# Not in the paper; Table 9, row 2 with the tight crops of row 1.
_base_ = "ablation_gated_crop.py"
model = dict(region_extractor=dict(context_scale=1.0))
