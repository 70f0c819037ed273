custom_imports = dict(imports=["toy_parts"])
model = dict(type="toy.Model")
train_data = dict(dataset=dict(type="toy.Numbers"), batch_size=2)
optim = dict(type="AdamW", lr=1e-2, weight_decay=0.01, betas=(0.9, 0.98))
schedule = dict(max_iters=40, warmup_iters=6, min_lr_ratio=0.1)
accumulate = 2
log_interval = 5
checkpoint = dict(interval=10, keep=2)
tensorboard = False
