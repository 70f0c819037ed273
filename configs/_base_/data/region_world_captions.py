# RegionWorld with captions, short questions about the same looks, and places: what a model can begin to learn
# within minutes. All come together from the first update, as in region_world.py.
world = dict(
    type="RegionWorldDataset", split="train", introduce="mention", length=1000000, turns_per_sample=5, max_regions=5
)
train_data = dict(
    dataset=dict(
        type="InterleavedDataset",
        shares=[10, 4, 2],
        datasets=[
            dict(tasks=["caption"], **world),
            dict(
                tasks=["open_color", "open_shape", "open_texture", "open_material"], index_offset=1000000, **world
            ),
            dict(tasks=["open_place"], index_offset=2000000, **world),
        ],
    ),
    batch_size=8,
    num_workers=0,
    shuffle=False,
)
test_data = dict(
    dataset=dict(type="RegionWorldDataset", split="test"),
    items_per_task=50,
    tasks=["open_color", "open_shape", "open_texture", "open_material", "open_place", "caption"],
    batch_size=32,
)
del world
