# How a run on 8 GPUs behaves: one sample a step, 8 steps an update, so that an update sees 64 samples, as the paper's.
_base_ = "runtime.py"
precision = "bf16"
accumulate = 8
