# `make demo`: Table 9, row 4 on the smaller tiny base with one region a scene, to be seen learning within
# minutes. The numbers to compare come from ablation_roi_replay.py.
_base_ = [
    "../_base_/models/tiny_x.py",
    "../_base_/data/region_world.py",
    "../_base_/schedules/tiny.py",
    "../_base_/runtime.py",
]
model = dict(
    prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="RoIAlignReplay", output_size=4)
)
train_data = dict(
    dataset=dict(
        max_regions=1,
        turns_per_sample=3,
        tasks=["caption", "open_color", "open_shape", "open_texture", "open_material"],
    )
)
optim = dict(lr=1e-3)
schedule = dict(max_iters=1100, warmup_iters=50)
checkpoint = dict(interval=550, keep=1)
log_interval = 50
tensorboard = False
test_data = dict(
    items_per_task=50, tasks=["open_color", "open_shape", "open_texture", "open_material", "caption"]
)
