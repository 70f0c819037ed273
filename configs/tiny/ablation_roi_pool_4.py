# Not in the paper; Table 9, row 5 on the tiny base with as many tokens as row 4 has: 4x4 bins, each pooled.
_base_ = "ablation_roi_pool.py"
model = dict(region_extractor=dict(output_size=4))
