# Not in the paper; Table 9, row 4 with one change: points in place of masks as prompts of the global image.
_base_ = "ablation_roi_replay.py"
model = dict(prompt_encoder=dict(type="PointPrompt"))
