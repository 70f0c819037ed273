title = "Replay against no local tokens"
rows = [
    dict(name="4", title="replay", config="toy_config.py"),
    dict(
        name="8",
        title="no local",
        config="toy_config.py",
        cfg_options={"model.region_extractor": dict(_delete_=True, type="NoLocal")},
    ),
]
baseline = "4"
seeds = [0, 1]
image_hw = (96, 96)
resamples = 200
