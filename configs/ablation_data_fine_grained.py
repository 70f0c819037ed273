# Table 11, row 2: the seed data and the fine-grained data (1.96M samples, one pass).
_base_ = "ablation_roi_replay.py"
train_data = dict(
    dataset=dict(
        paths=["${GARTK_DATA:data}/gar_2_5m/Seed-Dataset", "${GARTK_DATA:data}/gar_2_5m/Fine-Grained-Dataset"]
    )
)
schedule = dict(max_iters=30600)
