# Not in the paper; Table 9, row 4 with one change: a replay without the half-cell shift (aligned=False).
_base_ = "ablation_roi_replay.py"
model = dict(region_extractor=dict(aligned=False))
