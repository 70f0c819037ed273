# The tiny base learns from scratch: under an hour for 3600 updates of 8 scenes on one core.
optim = dict(type="AdamW", lr=1e-3, weight_decay=0.01, betas=(0.9, 0.98))
schedule = dict(max_iters=3600, warmup_iters=100, min_lr_ratio=0.02)
grad_clip = 1.0
