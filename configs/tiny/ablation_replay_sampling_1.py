# Not in the paper; Table 9, row 4 on the tiny base with one change: a replay with one sample a bin.
_base_ = "ablation_roi_replay.py"
model = dict(region_extractor=dict(sampling_ratio=1))
