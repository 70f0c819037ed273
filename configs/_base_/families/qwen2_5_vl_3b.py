# Qwen2.5-VL-3B trained as in the paper. A leaf adds prompt_encoder, region_extractor and, where it has none, use_global=False.
_base_ = ["../models/qwen2_5_vl_3b.py", "gar_2_5m.py"]
