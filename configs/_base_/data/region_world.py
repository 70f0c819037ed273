# RegionWorld, drawn as it is read: training scenes never hold the held-out looks. A choice is answered with the
# text of the right option: a decoder this small does not learn to bind letters to options within an hour. Where
# regions have to be compared it first goes through the options: without, relations stayed at chance as choices.
#
# Every kind of question is there from the first update, as a new one that comes late makes the loss jump, and the
# jump wipes out what the tower has learned. What changes is how often each comes (shares of a round of 16 samples).
train_data = dict(
    dataset=dict(
        type="RegionWorldCurriculum",
        world=dict(split="train", choice_answer="reasoned"),
        parts=dict(
            captions=dict(introduce="mention", turns_per_sample=5, max_regions=5, tasks=["caption"]),
            named_captions=dict(introduce="first", turns_per_sample=5, max_regions=5, tasks=["caption"]),
            places=dict(introduce="mention", turns_per_sample=6, max_regions=6, tasks=["open_place"]),
            named_places=dict(introduce="first", turns_per_sample=6, max_regions=6, tasks=["open_place"]),
            grids=dict(
                introduce="mention", turns_per_sample=4, max_regions=4, tasks=dict(open_position=2, position=1)
            ),
            surfaces=dict(
                introduce="mention", turns_per_sample=4, max_regions=4, tasks=dict(open_non_entity=2, non_entity=1)
            ),
            attributes=dict(
                introduce="mention",
                turns_per_sample=5,
                max_regions=5,
                tasks=[
                    "color", "shape", "texture", "material",
                    "open_color", "open_shape", "open_texture", "open_material",
                ],
            ),
            relations=dict(
                introduce="mention",
                turns_per_sample=6,
                max_regions=4,
                tasks=dict(open_relation=3, caption_simple=2, caption_detailed=1, relation_caption=0.5),
            ),
            statements=dict(introduce="mention", turns_per_sample=3, max_regions=4, tasks=["relation"]),
            # Many pairs of the same few regions, asked in the same words.
            directions=dict(introduce="first", turns_per_sample=10, max_regions=5, tasks=["open_direction"]),
            pair_relations=dict(introduce="first", turns_per_sample=10, max_regions=5, tasks=["open_relation"]),
            pair_texts=dict(
                introduce="first",
                turns_per_sample=8,
                max_regions=5,
                tasks=dict(caption_simple=3, caption_detailed=1),
            ),
            named_statements=dict(introduce="first", turns_per_sample=4, max_regions=6, tasks=["relation"]),
        ),
        stages=[
            # Captions, each region given with its question, and a few of everything else: looks and places.
            dict(rounds=500, shares=dict(
                captions=9, places=2, surfaces=1, grids=1, attributes=1, relations=1, statements=1)),
            # Captions of regions that were all given before: names are bound to regions.
            dict(rounds=800, shares=dict(
                captions=2, named_captions=5, places=1, named_places=1, grids=1, surfaces=1, attributes=1,
                relations=3, statements=1)),
            # Choices and relations come more often.
            dict(rounds=950, shares=dict(
                captions=1, named_captions=3, named_places=1, grids=2, surfaces=1, attributes=2, relations=4,
                statements=2)),
            # Places come back: they fade where nobody asks, and relations need them.
            dict(rounds=500, shares=dict(
                captions=1, named_captions=1, places=1, named_places=3, grids=1, surfaces=1, attributes=1,
                relations=5, statements=2)),
            # Directions from one region to another, many a scene (the learning rate has a restart here).
            dict(rounds=200, shares=dict(
                named_captions=2, named_places=1, grids=1, attributes=1, relations=1, statements=1, directions=9)),
            # The other relations in the same words.
            dict(rounds=200, shares=dict(
                named_captions=2, named_places=1, grids=1, attributes=1, relations=1, statements=1, directions=2,
                pair_relations=7)),
            # The same in sentences and choices, of regions that were all given before.
            dict(rounds=100000, shares=dict(
                named_captions=2, named_places=1, grids=1, surfaces=2, attributes=1, pair_relations=1,
                pair_texts=2, named_statements=6)),
        ],
    ),
    batch_size=8,
    num_workers=0,
    shuffle=False,
)  # fmt: skip
test_data = dict(
    dataset=dict(type="RegionWorldDataset", split="test", choice_answer="reasoned"),
    items_per_task=200,
    batch_size=32,
)
