# RegionWorld with captions, then short questions beside them: what a model can begin to learn within minutes.
world = dict(type="RegionWorldDataset", split="train", introduce="mention")
captions = dict(turns_per_sample=5, max_regions=5, tasks=["caption"], **world)
questions = dict(
    turns_per_sample=4, max_regions=1, tasks=["open_color", "open_shape", "open_texture", "open_material"], **world
)
train_data = dict(
    dataset=dict(
        type="ConcatDataset",
        datasets=[
            dict(length=4400, **captions),
            dict(
                type="InterleavedDataset",
                shares=[3, 1],
                datasets=[
                    dict(length=1000000, index_offset=4400, **captions),
                    dict(length=1000000, index_offset=1000000, **questions),
                ],
            ),
        ],
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
del world, captions, questions
