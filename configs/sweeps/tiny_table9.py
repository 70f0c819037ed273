# Table 9 on the tiny base and RegionWorld: all eight rows, equal updates and equal data, three seeds.
# The budget: 24 runs of 650 updates, an hour and a half on two cores (--dry-run --measure tells; an update of row 2
# takes three times row 4's). That is enough for looks and places, not for relations, which need names bound to regions:
# thousands of updates, as configs/_base_/data/region_world.py gives them.
title = "Table 9 on the tiny base"
notes = (
    "The eight designs of the paper's Table 9, trained from scratch on RegionWorld and tested on scenes that"
    " training cannot show. Every row has the same updates, the same training samples in the same order, and the"
    " same test items. Scores are shares of right answers in per cent."
)
rows = [
    dict(name="1", title="crops alone", config="../tiny/ablation_crop.py"),
    dict(name="2", title="crops with cross-attention", config="../tiny/ablation_gated_crop.py"),
    dict(name="3", title="image and crops", config="../tiny/ablation_global_crop.py"),
    dict(name="4", title="image and replay", config="../tiny/ablation_roi_replay.py"),
    dict(name="5", title="image and RoI pooling, no masks", config="../tiny/ablation_roi_pool.py"),
    dict(name="6", title="image and replay, no masks", config="../tiny/ablation_roi_replay_no_mask.py"),
    dict(name="7", title="crops alone, no masks", config="../tiny/ablation_crop_no_mask.py"),
    dict(name="8", title="image alone, masks", config="../tiny/ablation_no_local.py"),
]
baseline = "4"
seeds = [0, 1, 2]
jobs = 2
# Captions, places and grids first; then choices and relations come in, when the learning rate has fallen. A round is
# 16 samples: two updates.
train_data = dict(
    _delete_=True,
    dataset=dict(
        type="RegionWorldCurriculum",
        world=dict(split="train", choice_answer="text", introduce="mention"),
        parts=dict(
            captions=dict(turns_per_sample=3, max_regions=3, tasks=["caption"]),
            places=dict(turns_per_sample=3, max_regions=3, tasks=["open_place"]),
            grids=dict(turns_per_sample=3, max_regions=3, tasks=dict(open_position=2, position=1)),
            attributes=dict(turns_per_sample=2, max_regions=2, tasks=["color", "shape", "texture", "material"]),
            others=dict(
                turns_per_sample=2,
                max_regions=3,
                tasks=dict(relation=3, non_entity=2, caption_simple=1, caption_detailed=1),
            ),
        ),
        stages=[
            dict(rounds=195, shares=dict(captions=11, places=2, grids=3)),
            dict(rounds=100000, shares=dict(captions=8, places=2, grids=2, attributes=2, others=2)),
        ],
    ),
    batch_size=8,
    num_workers=0,
    shuffle=False,
)
tasks = [
    "color", "shape", "texture", "material", "position", "non_entity", "relation",
    "caption_simple", "caption_detailed", "caption", "open_place", "open_position",
]  # fmt: skip
custom_imports = dict(imports=["gartk.evaluation.validation"])
validation = dict(
    dataset=dict(type="RegionWorldDataset", split="val", choice_answer="text"),
    tasks=["color", "shape", "texture", "material", "position", "open_place"], items_per_task=15, batch_size=32)
cfg_options = {
    "schedule.max_iters": 650,
    "train_data": train_data,
    "test_data.dataset.choice_answer": "text",
    "test_data.tasks": tasks,
    "test_data.items_per_task": 120,
    "tensorboard": False,
    "custom_hooks": [dict(type="ValidationHook", interval=130, test_data=validation)],
}
del train_data, tasks, validation
image_hw = (224, 224)
attributes = ["color", "shape", "texture", "material"]
columns = [
    dict(title="colour", tasks=["color"]),
    dict(title="shape", tasks=["shape"]),
    dict(title="texture", tasks=["texture"]),
    dict(title="material", tasks=["material"]),
    dict(title="position", tasks=["position"]),
    dict(title="non-entity", tasks=["non_entity"]),
    dict(title="relation", tasks=["relation"]),
    dict(title="VQA", tasks=[*attributes, "position", "non_entity", "relation"]),
    dict(title="simple", tasks=["caption_simple"]),
    dict(title="detailed", tasks=["caption_detailed"]),
    dict(title="caption", tasks=["caption_simple", "caption_detailed"]),
    dict(title="attributes", tasks=attributes),
    dict(title="looks told", tasks=["caption"], score="attributes"),
    dict(title="position told", tasks=["open_position"]),
    dict(title="place told", tasks=["open_place"]),
    dict(title="overall"),
]
del attributes
