# One pass of the paper's 2.37M samples at 64 an update.
_base_ = "adamw_cosine.py"
schedule = dict(max_iters=37000)
