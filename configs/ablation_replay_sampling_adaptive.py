# Not in the paper; Table 9, row 4 with one change: a replay with as many samples a bin as it has cells.
_base_ = "ablation_roi_replay.py"
model = dict(region_extractor=dict(sampling_ratio=0))
