# Not in the paper; Table 9, row 4 on the tiny base with one change: at most 4 tiles and a thumbnail in place of one
# tile.
_base_ = "ablation_roi_replay.py"
model = dict(vision=dict(max_num_tiles=4))
