# RegionWorld with one region a scene and short questions: what a model can begin to learn within minutes.
train_data = dict(
    dataset=dict(
        type="RegionWorldDataset",
        split="train",
        length=1000000,
        turns_per_sample=3,
        max_regions=1,
        tasks=["caption", "open_color", "open_shape", "open_texture", "open_material"],
    ),
    batch_size=8,
    num_workers=0,
    shuffle=False,
)
test_data = dict(
    dataset=dict(type="RegionWorldDataset", split="test"),
    items_per_task=50,
    tasks=["open_color", "open_shape", "open_texture", "open_material", "caption"],
    batch_size=32,
)
