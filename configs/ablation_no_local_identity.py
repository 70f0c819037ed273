# Not in the paper; Table 9, row 8 with masks that tell which region is which.
_base_ = "ablation_no_local.py"
model = dict(prompt_encoder=dict(mode="identity"))
