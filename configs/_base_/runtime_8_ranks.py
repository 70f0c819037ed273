# How a run on 8 GPUs behaves: one sample a step, 8 steps an update, so that an update sees 64 samples, as the paper's.

seed = 0
device = "auto"
precision = "bf16"
accumulate = 8
log_interval = 10
checkpoint = dict(interval=500, keep=2)
tensorboard = True
