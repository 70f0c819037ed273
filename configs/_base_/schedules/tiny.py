# The tiny base learns from scratch within an hour on two cores: Muon for the matrices, AdamW for the rest.
# The prompts start from zero and want a higher rate; the positions start where they should stay.
optim = dict(
    type="MuonAdamW",
    lr=6e-4,
    matrix_lr=0.004,
    weight_decay=0.01,
    betas=(0.9, 0.98),
    lr_mult={
        "prompt_encoder": 5.0,
        "vision": 2.0,
        "vision.tower.timm_model.pos_embed": 0.1,
    },
)
# The restart comes with the stage that teaches directions.
schedule = dict(max_iters=8000, warmup_iters=50, min_lr_ratio=0.05, restart_iter=5500, restart_ratio=0.8)
grad_clip = 1.0
