# Not in the paper; Table 9, row 4 with one change: a replay with 4x4 samples a bin.
_base_ = "ablation_roi_replay.py"
model = dict(region_extractor=dict(sampling_ratio=4))
