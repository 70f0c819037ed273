# Not in the paper; Table 9, row 3 with the focal crops of row 2.
_base_ = "ablation_global_crop.py"
model = dict(region_extractor=dict(context_scale="dam"))
