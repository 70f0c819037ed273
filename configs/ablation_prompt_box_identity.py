# Not in the paper; Table 9, row 4 with one change: box prompts that tell which region is which, each in channels of
# its own.
_base_ = "ablation_prompt_box.py"
model = dict(prompt_encoder=dict(mode="identity"))
