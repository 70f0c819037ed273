# Not in the paper; Table 9, row 4 on the tiny base with one change: point prompts that tell which region is which,
# each in channels of its own.
_base_ = "ablation_prompt_point.py"
model = dict(prompt_encoder=dict(mode="identity"))
