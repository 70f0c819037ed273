# Table 9: all eight designs on PerceptionLM-1B and GAR-2.5M, each with GAR-Bench and DLC-Bench after it.
# One GPU for each run: 64 samples an update, as the paper's. The judge is a server; its key comes from OPENAI_API_KEY.
title = "Table 9: designs on PerceptionLM-1B"
rows = [
    dict(
        name="1", title="crops alone", config="../ablation_crop.py",
        published={"Caption": 20.1, "VQA": 37.8, "DLC avg": 69.3, "DLC pos": 60.2, "DLC neg": 78.4, "latency": 36.1, "ViT tokens": 256}),
    dict(
        name="2", title="crops with cross-attention", config="../ablation_gated_crop.py",
        published={"Caption": 19.1, "VQA": 40.0, "DLC avg": 68.8, "DLC pos": 57.3, "DLC neg": 80.3, "latency": 57.1, "ViT tokens": 4608}),
    dict(
        name="3", title="image and crops", config="../ablation_global_crop.py",
        published={"Caption": 28.4, "VQA": 36.6, "DLC avg": 77.4, "DLC pos": 70.1, "DLC neg": 84.8, "latency": 93.1, "ViT tokens": 4608}),
    dict(
        name="4", title="image and replay", config="../ablation_roi_replay.py",
        published={"Caption": 57.5, "VQA": 50.6, "DLC avg": 77.1, "DLC pos": 66.2, "DLC neg": 88.0, "latency": 87.7, "ViT tokens": 4352}),
    dict(
        name="5", title="image and RoI pooling, no masks", config="../ablation_roi_pool.py",
        published={"Caption": 39.3, "VQA": 39.1, "DLC avg": 50.0, "DLC pos": 37.3, "DLC neg": 62.7, "latency": 78.2, "ViT tokens": 4352}),
    dict(
        name="6", title="image and replay, no masks", config="../ablation_roi_replay_no_mask.py",
        published={"Caption": 42.1, "VQA": 40.1, "DLC avg": 67.1, "DLC pos": 55.8, "DLC neg": 78.4, "latency": 90.8, "ViT tokens": 4608}),
    dict(
        name="7", title="crops alone, no masks", config="../ablation_crop_no_mask.py",
        published={"Caption": 17.8, "VQA": 35.4, "DLC avg": 65.0, "DLC pos": 59.3, "DLC neg": 70.7, "latency": 30.4, "ViT tokens": 256}),
    dict(
        name="8", title="image alone, masks", config="../ablation_no_local.py",
        published={"Caption": 32.7, "VQA": 40.4, "DLC avg": 51.7, "DLC pos": 40.4, "DLC neg": 63.0, "latency": 75.0, "ViT tokens": 4352}),
]
baseline = "4"
cfg_options = {"accumulate": 64}
image_hw = (2048, 2048)
evals = [
    dict(benchmark="gar-vqa"),
    dict(benchmark="gar-cap", judge="openai:gpt-4o-2024-11-20"),
    dict(benchmark="dlc", judge="openai:gpt-4o-2024-11-20"),
]
columns = [
    dict(title="Caption", benchmark="gar-cap", score="published"),
    dict(title="VQA", benchmark="gar-vqa", score="strict"),
    dict(title="DLC avg", benchmark="dlc", score="published/Avg"),
    dict(title="DLC pos", benchmark="dlc", score="published/Pos"),
    dict(title="DLC neg", benchmark="dlc", score="published/Neg"),
]
slurm = dict(gpus_per_node=1, cpus_per_task=8, timeout_min=10080)
