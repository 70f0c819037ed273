# What the release's doubled scaling of boxes costs: replay of the true box against replay of what the release replays.
_base_ = ["tiny_table9.py"]
title = "Replay of true and of doubly scaled boxes on the tiny base"
notes = (
    "The release divides every box twice by the size of a cell, so that it replays a small patch near the corner of the"
    " map. Both rows are trained and tested alike. Scores are shares of right answers in per cent."
)
rows = [
    dict(name="4", title="image and replay", config="../tiny/ablation_roi_replay.py"),
    dict(
        name="double_scaled_roi",
        title="image and replay as released",
        config="../tiny/ablation_roi_replay.py",
        cfg_options={"model.release_compat": dict(double_scaled_roi=True)},
    ),
]
baseline = "4"
