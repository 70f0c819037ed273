# RegionWorld, drawn as it is read: training scenes never hold the held-out attribute combinations.
# Read in order it is a curriculum: one region a scene; several, each given with the first question about
# it; then every task, with all regions given first.
train_data = dict(
    dataset=dict(
        type="ConcatDataset",
        datasets=[
            dict(
                type="RegionWorldDataset",
                split="train",
                length=4800,
                turns_per_sample=3,
                max_regions=1,
                tasks=["caption", "open_color", "open_shape", "open_texture", "open_material"],
            ),
            dict(
                type="RegionWorldDataset",
                split="train",
                length=9600,
                index_offset=4800,
                turns_per_sample=5,
                max_regions=5,
                introduce="mention",
                tasks=["caption"],
            ),
            dict(
                type="RegionWorldDataset",
                split="train",
                length=1000000,
                index_offset=14400,
                turns_per_sample=6,
            ),
        ],
    ),
    batch_size=8,
    num_workers=0,
    shuffle=False,
)
test_data = dict(dataset=dict(type="RegionWorldDataset", split="test"), items_per_task=200, batch_size=32)
