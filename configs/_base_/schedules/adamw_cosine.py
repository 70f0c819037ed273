# The paper's optimiser: AdamW 1e-5, linear warm-up, cosine. A leaf states max_iters (optimiser updates).
optim = dict(type="AdamW", lr=1e-5, weight_decay=0.01, betas=(0.9, 0.999))
schedule = dict(max_iters=1000, warmup_iters=30, min_lr_ratio=0.0)
grad_clip = 1.0
