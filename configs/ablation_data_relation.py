# Table 11, row 3: the seed, the fine-grained and the relation data (2.37M samples, one pass), which is row 4 of
# Table 9.
_base_ = "ablation_roi_replay.py"
