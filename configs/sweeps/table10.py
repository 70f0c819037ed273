# Table 10: rows 1 to 4 on two other bases, numbered as in the paper.
_base_ = ["table9.py"]
title = "Table 10: designs on Qwen2.5-VL-3B and InternVL3-2B"
rows = [
    dict(
        name="5", title="Qwen2.5-VL-3B, crops alone", config="../ablation_qwen2_5_vl_3b_crop.py",
        published={"Caption": 24.5, "VQA": 30.7, "DLC avg": 52.2, "DLC pos": 38.0, "DLC neg": 66.4}),
    dict(
        name="6", title="Qwen2.5-VL-3B, crops with cross-attention", config="../ablation_qwen2_5_vl_3b_gated_crop.py",
        published={"Caption": 27.9, "VQA": 30.0, "DLC avg": 55.7, "DLC pos": 46.8, "DLC neg": 64.6}),
    dict(
        name="7", title="Qwen2.5-VL-3B, image and crops", config="../ablation_qwen2_5_vl_3b_global_crop.py",
        published={"Caption": 34.3, "VQA": 32.1, "DLC avg": 62.1, "DLC pos": 50.7, "DLC neg": 73.5}),
    dict(
        name="8", title="Qwen2.5-VL-3B, image and replay", config="../ablation_qwen2_5_vl_3b_roi_replay.py",
        published={"Caption": 41.2, "VQA": 40.8, "DLC avg": 69.2, "DLC pos": 58.1, "DLC neg": 80.3}),
    dict(
        name="9", title="InternVL3-2B, crops alone", config="../ablation_internvl3_2b_crop.py",
        published={"Caption": 24.6, "VQA": 33.0, "DLC avg": 65.6, "DLC pos": 48.5, "DLC neg": 82.6}),
    dict(
        name="10", title="InternVL3-2B, crops with cross-attention", config="../ablation_internvl3_2b_gated_crop.py",
        published={"Caption": 29.4, "VQA": 31.8, "DLC avg": 68.8, "DLC pos": 56.7, "DLC neg": 80.9}),
    dict(
        name="11", title="InternVL3-2B, image and crops", config="../ablation_internvl3_2b_global_crop.py",
        published={"Caption": 32.8, "VQA": 36.1, "DLC avg": 70.3, "DLC pos": 61.6, "DLC neg": 79.0}),
    dict(
        name="12", title="InternVL3-2B, image and replay", config="../ablation_internvl3_2b_roi_replay.py",
        published={"Caption": 43.1, "VQA": 44.6, "DLC avg": 73.0, "DLC pos": 63.8, "DLC neg": 82.2}),
]
baseline = "8"
