# RegionWorld, drawn as it is read: training scenes never hold the held-out looks. A choice is answered with the
# text of the right option: a decoder this small does not learn to bind letters to options within an hour. Where
# regions have to be compared it first goes through the options: without, relations stayed at chance as choices.
#
# Every kind of question is there from the first update, as a new one that comes late makes the loss jump, and the
# jump wipes out what the tower has learned. What changes is how often each comes:
#   1. captions, each region given with its question, and a few of everything else: looks and places are learned;
#   2. captions of regions that were all given before: names are bound to regions;
#   3. choices and relations come more often;
#   4. places come back: they fade where nobody asks, and relations need them;
#   5. directions from one region to another, many a scene (the learning rate has a restart here);
#   6. the other relations in the same words;
#   7. the same in sentences and choices, of regions that were all given before.
world = dict(type="RegionWorldDataset", split="train", choice_answer="reasoned")
looks = dict(turns_per_sample=5, max_regions=5, tasks=["caption"], **world)
where = dict(turns_per_sample=6, max_regions=6, tasks=["open_place"], **world)
captions = dict(introduce="mention", **looks)
named_captions = dict(introduce="first", **looks)
places = dict(introduce="mention", **where)
named_places = dict(introduce="first", **where)
grids = dict(
    introduce="mention", turns_per_sample=4, max_regions=4, tasks=dict(open_position=2, position=1), **world
)
surfaces = dict(
    introduce="mention", turns_per_sample=4, max_regions=4, tasks=dict(open_non_entity=2, non_entity=1), **world
)
attributes = dict(
    introduce="mention",
    turns_per_sample=5,
    max_regions=5,
    tasks=dict(
        color=1, shape=1, texture=1, material=1, open_color=1, open_shape=1, open_texture=1, open_material=1
    ),
    **world,
)
relations = dict(
    introduce="mention",
    turns_per_sample=6,
    max_regions=4,
    tasks=dict(open_relation=3, caption_simple=2, caption_detailed=1, relation_caption=0.5),
    **world,
)
statements = dict(introduce="mention", turns_per_sample=3, max_regions=4, tasks=["relation"], **world)
# Many pairs of the same few regions, asked in the same words.
pairs = dict(introduce="first", turns_per_sample=10, max_regions=5, **world)
directions = dict(tasks=["open_direction"], **pairs)
pair_relations = dict(tasks=["open_relation"], **pairs)
pair_texts = dict(
    introduce="first", turns_per_sample=8, max_regions=5, tasks=dict(caption_simple=3, caption_detailed=1), **world
)
named_statements = dict(introduce="first", turns_per_sample=4, max_regions=6, tasks=["relation"], **world)
parts = [
    captions, named_captions, places, named_places, grids, surfaces, attributes, relations, statements,
    directions, pair_relations, pair_texts, named_statements,
]  # fmt: skip
# Each stage: its samples (in rounds of 16), and how many each part gives of a round. No scene comes twice.
stages = [
    (500, [9, 0, 2, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0]),
    (800, [2, 5, 1, 1, 1, 1, 1, 3, 1, 0, 0, 0, 0]),
    (950, [1, 3, 0, 1, 2, 1, 2, 4, 2, 0, 0, 0, 0]),
    (500, [1, 1, 1, 3, 1, 1, 1, 5, 2, 0, 0, 0, 0]),
    (200, [0, 2, 0, 1, 1, 0, 1, 1, 1, 9, 0, 0, 0]),
    (200, [0, 2, 0, 1, 1, 0, 1, 1, 1, 2, 7, 0, 0]),
    (100000, [0, 2, 0, 1, 1, 2, 1, 0, 0, 0, 1, 2, 6]),
]
train_data = dict(
    dataset=dict(
        type="ConcatDataset",
        datasets=[
            dict(
                type="InterleavedDataset",
                shares=[share for share in shares if share],
                datasets=[
                    dict(length=rounds * share, index_offset=10**8 * stage + 10**7 * number, **part)
                    for number, (part, share) in enumerate(zip(parts, shares, strict=True))
                    if share
                ],
            )
            for stage, (rounds, shares) in enumerate(stages)
        ],
    ),
    batch_size=8,
    num_workers=0,
    shuffle=False,
)
test_data = dict(
    dataset=dict(type="RegionWorldDataset", split="test", choice_answer="reasoned"),
    items_per_task=200,
    batch_size=32,
)
del captions, named_captions, places, named_places, grids, surfaces, attributes, relations, statements
del pairs, directions, pair_relations, pair_texts, named_statements, world, looks, where, parts, stages
