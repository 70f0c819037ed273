# Not in the paper; Table 9, row 4 on the tiny base with one change: a replay of 8x8 tokens a region.
_base_ = "ablation_roi_replay.py"
model = dict(region_extractor=dict(output_size=8))
