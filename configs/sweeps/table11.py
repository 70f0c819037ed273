# Table 11: the rounds of the data pipeline on PerceptionLM-1B.
_base_ = ["table9.py"]
title = "Table 11: training data of PerceptionLM-1B with replay"
rows = [
    dict(
        name="1", title="seed data, 1.5M", config="../ablation_data_seed.py",
        published={"Caption": 13.8, "VQA": 41.5, "DLC avg": 74.4, "DLC pos": 63.0, "DLC neg": 85.8}),
    dict(
        name="2", title="and fine-grained data, 456K", config="../ablation_data_fine_grained.py",
        published={"Caption": 14.2, "VQA": 44.1, "DLC avg": 77.5, "DLC pos": 67.6, "DLC neg": 87.4}),
    dict(
        name="3", title="and relation data, 414K", config="../ablation_data_relation.py",
        published={"Caption": 57.5, "VQA": 50.6, "DLC avg": 77.1, "DLC pos": 66.2, "DLC neg": 88.0}),
]
baseline = "3"
