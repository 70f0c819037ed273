# RegionWorld, drawn as it is read: training scenes never hold the held-out looks. Every sample introduces a
# region with the first question about it, and a choice is answered with the text of the right option: a
# decoder of two million parameters does not learn to bind letters to options within an hour.
# It is a curriculum: first captions alone, which teach the tower what an object looks like (any other task
# beside them makes this several times slower), then with questions about one region, then with relations of
# several. What was learned before stays in the mixture.
world = dict(type="RegionWorldDataset", split="train", introduce="mention", choice_answer="text")
captions = dict(turns_per_sample=5, max_regions=5, tasks=["caption"], **world)
one_region = dict(
    turns_per_sample=6,
    max_regions=1,
    tasks=dict(
        color=1, shape=1, texture=1, material=1, position=3, non_entity=1,
        open_color=0.5, open_shape=0.5, open_texture=0.5, open_material=0.5, open_position=2, open_non_entity=0.5,
        open_place=2,
    ),
    **world,
)  # fmt: skip
relations = dict(
    turns_per_sample=4,
    tasks=dict(
        relation=3, open_relation=1.5, caption_simple=1, caption_detailed=1, relation_caption=0.5, non_entity=1
    ),
    **world,
)  # fmt: skip
train_data = dict(
    dataset=dict(
        type="ConcatDataset",
        datasets=[
            dict(length=9600, **captions),
            dict(
                type="InterleavedDataset",
                shares=[1, 1],
                datasets=[
                    dict(length=8000, index_offset=9600, **captions),
                    dict(length=8000, index_offset=1000000, **one_region),
                ],
            ),
            dict(
                type="InterleavedDataset",
                shares=[2, 2, 1],
                datasets=[
                    dict(length=1000000, index_offset=17600, **captions),
                    dict(length=1000000, index_offset=1008000, **one_region),
                    dict(length=1000000, index_offset=3000000, **relations),
                ],
            ),
        ],
    ),
    batch_size=8,
    num_workers=0,
    shuffle=False,
)
test_data = dict(
    dataset=dict(type="RegionWorldDataset", split="test", choice_answer="text"), items_per_task=200, batch_size=32
)
del world, captions, one_region, relations
