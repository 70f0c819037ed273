# PerceptionLM-8B trained as in the paper. A leaf adds prompt_encoder, region_extractor and, where it has none, use_global=False.
_base_ = ["../models/plm_8b.py", "gar_2_5m.py"]
