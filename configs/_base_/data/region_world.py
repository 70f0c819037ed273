# RegionWorld, drawn as it is read: training scenes never hold the held-out attribute combinations.
train_data = dict(
    dataset=dict(type="RegionWorldDataset", split="train", length=1000000, turns_per_sample=6),
    batch_size=8,
    num_workers=0,
    shuffle=False,
)
test_data = dict(dataset=dict(type="RegionWorldDataset", split="test"), items_per_task=200, batch_size=32)
