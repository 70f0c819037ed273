# The tiny base learns from scratch within an hour on two cores. The tower wants twice the rate of the
# language model, the prompts (which start from zero) five times.
optim = dict(
    type="AdamW", lr=6e-4, weight_decay=0.01, betas=(0.9, 0.98), lr_mult=dict(vision=2.0, prompt_encoder=5.0)
)
schedule = dict(max_iters=4000, warmup_iters=50, min_lr_ratio=0.05)
grad_clip = 1.0
