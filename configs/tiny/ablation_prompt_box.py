# Not in the paper; Table 9, row 4 on the tiny base with one change: boxes in place of masks as prompts of the
# global image.
_base_ = "ablation_roi_replay.py"
model = dict(prompt_encoder=dict(type="BoxPrompt"))
