# Table 11, row 1: the seed data alone (1.5M samples, one pass).
_base_ = "ablation_roi_replay.py"
train_data = dict(dataset=dict(paths=["${GARTK_DATA:data}/gar_2_5m/Seed-Dataset"]))
schedule = dict(max_iters=23400)
