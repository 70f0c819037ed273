from gartk.testing.toy import toy_model

model = toy_model()
world = dict(type="RegionWorldDataset", size=(96, 96), choice_answer="text")
train_data = dict(dataset=dict(split="train", length=64, tasks=["color"], **world), batch_size=2)
test_data = dict(
    dataset=dict(split="test", **world),
    items_per_task=3,
    tasks=["color", "shape", "caption_simple"],
    batch_size=9,
    max_new_tokens=dict(choice=2, caption=2),
)
optim = dict(type="AdamW", lr=1e-3)
schedule = dict(max_iters=6)
checkpoint = dict(interval=2, keep=2)
log_interval = 2
tensorboard = False
device = "cpu"
del world
