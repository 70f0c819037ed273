# Not in the paper; Table 9, row 4 with one change: at most 9 tiles and the thumbnail in place of 16.
_base_ = "ablation_roi_replay.py"
model = dict(vision=dict(max_num_tiles=9))
