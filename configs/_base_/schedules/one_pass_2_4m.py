# The paper's optimiser and schedule on GAR-2.5M: AdamW 1e-5, cosine decay, one pass of its 2.37M samples.
optim = dict(type="AdamW", lr=1e-5, weight_decay=0.01, betas=(0.9, 0.999))
schedule = dict(max_iters=37000, warmup_iters=30, min_lr_ratio=0.0)
grad_clip = 1.0
