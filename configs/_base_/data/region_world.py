# RegionWorld, drawn as it is read: training scenes never hold the held-out looks. Every sample introduces a
# region with the first question about it, and a choice is answered with the text of the right option: a
# decoder of a million parameters does not learn to bind letters to options within an hour.
# All tasks come together from the first update: a tower that has seen nothing but captions all but forgets
# where things are, and learns it again only slowly.
world = dict(type="RegionWorldDataset", split="train", length=1000000, introduce="mention", choice_answer="text")
captions = dict(turns_per_sample=5, max_regions=5, tasks=["caption"], index_offset=0, **world)
places = dict(turns_per_sample=6, max_regions=6, tasks=["open_place"], index_offset=1000000, **world)
grids = dict(
    turns_per_sample=8, max_regions=6, tasks=dict(open_position=2, position=1), index_offset=2000000, **world
)
surfaces = dict(
    turns_per_sample=6, max_regions=6, tasks=dict(open_non_entity=2, non_entity=1), index_offset=3000000, **world
)
attributes = dict(
    turns_per_sample=8,
    max_regions=5,
    tasks=dict(
        color=1, shape=1, texture=1, material=1,
        open_color=0.5, open_shape=0.5, open_texture=0.5, open_material=0.5,
    ),
    index_offset=4000000,
    **world,
)  # fmt: skip
relations = dict(
    turns_per_sample=8,
    max_regions=6,
    tasks=dict(open_relation=3, relation=2, caption_simple=1, caption_detailed=1, relation_caption=0.5),
    index_offset=5000000,
    **world,
)
train_data = dict(
    dataset=dict(
        type="InterleavedDataset",
        datasets=[captions, places, grids, surfaces, attributes, relations],
        shares=[5, 1, 2, 1, 2, 5],
    ),
    batch_size=8,
    num_workers=0,
    shuffle=False,
)
test_data = dict(
    dataset=dict(type="RegionWorldDataset", split="test", choice_answer="text"), items_per_task=200, batch_size=32
)
del world, captions, places, grids, surfaces, attributes, relations
