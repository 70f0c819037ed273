# RegionWorld, drawn as it is read: training scenes never hold the held-out attribute combinations.
# Read in order it is a curriculum: one region a scene, then several, then every task.
train_data = dict(
    dataset=dict(
        type="ConcatDataset",
        datasets=[
            dict(
                type="RegionWorldDataset",
                split="train",
                length=8000,
                turns_per_sample=3,
                max_regions=1,
                tasks=["caption", "open_color", "open_shape", "open_texture", "open_material"],
            ),
            dict(
                type="RegionWorldDataset",
                split="train",
                length=8000,
                index_offset=8000,
                turns_per_sample=4,
                max_regions=4,
                tasks=["caption", "open_color", "open_shape", "open_texture", "open_material"],
            ),
            dict(
                type="RegionWorldDataset",
                split="train",
                length=1000000,
                index_offset=16000,
                turns_per_sample=6,
            ),
        ],
    ),
    batch_size=8,
    num_workers=0,
    shuffle=False,
)
test_data = dict(dataset=dict(type="RegionWorldDataset", split="test"), items_per_task=200, batch_size=32)
