# `make demo`: Table 9, row 4 on the smaller tiny base with captions and short questions, to be seen learning
# within minutes. The numbers to compare come from ablation_roi_replay.py.
_base_ = [
    "../_base_/models/tiny_x.py",
    "../_base_/data/region_world_captions.py",
    "../_base_/schedules/tiny.py",
    "../_base_/runtime.py",
]
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="RoIAlignReplay", output_size=4))
schedule = dict(max_iters=1000)
checkpoint = dict(interval=500, keep=1)
log_interval = 50
tensorboard = False
