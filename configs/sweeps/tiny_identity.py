# Masks joined into one, as released, against masks that tell which region is which; with and without a replay.
_base_ = ["tiny_table9.py"]
title = "Union and identity-aware masks on the tiny base"
notes = (
    "With joined masks the image tells where the regions are, and only the replay which one is which; without a replay"
    " nothing does. Equal updates, data and test items for every row. Scores are shares of right answers in per cent."
)
rows = [
    dict(name="4", title="image and replay, joined masks", config="../tiny/ablation_roi_replay.py"),
    dict(name="4, identity", title="image and replay, masks apart", config="../tiny/ablation_prompt_mask_identity.py"),
    dict(name="8", title="image alone, joined masks", config="../tiny/ablation_no_local.py"),
    dict(name="8, identity", title="image alone, masks apart", config="../tiny/ablation_no_local_identity.py"),
]
baseline = "4"
