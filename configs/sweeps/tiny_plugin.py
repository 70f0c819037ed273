# A third party's extractor in the table: one row more. It needs pip install ./plugins/gartk_masked_pool
_base_ = ["tiny_table9.py"]
title = "A plugin's extractor beside RoI-aligned replay on the tiny base"
notes = (
    "MaskedReplay weights every cell of the replay by the share of it that the region's mask holds. Equal updates, data"
    " and test items for both rows. Scores are shares of right answers in per cent."
)
rows = [
    dict(name="4", title="image and replay", config="../tiny/ablation_roi_replay.py"),
    dict(name="masked", title="image and masked replay", config="../tiny/ablation_roi_replay.py", cfg_options={"model.region_extractor.type": "masked_pool.MaskedReplay"}),
]
