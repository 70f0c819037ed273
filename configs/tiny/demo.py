# `make demo`: Table 9, row 4 on the smaller tiny base, on a few tasks and a short schedule, to be seen
# learning within minutes. The numbers to compare come from ablation_roi_replay.py.
_base_ = [
    "../_base_/models/tiny_x.py",
    "../_base_/data/region_world.py",
    "../_base_/schedules/tiny.py",
    "../_base_/runtime.py",
]
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="RoIAlignReplay", output_size=4))
train_data = dict(
    dataset=dict(
        tasks=dict(color=1, shape=1, texture=1, material=1, open_color=2, open_shape=2, open_texture=1, caption=3, relation=1)
    )
)
schedule = dict(max_iters=500, warmup_iters=30)
checkpoint = dict(interval=250, keep=1)
tensorboard = False
test_data = dict(items_per_task=40, tasks=["color", "shape", "texture", "material", "relation", "open_color", "open_shape", "caption"])
