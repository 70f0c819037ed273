# The tiny base on RegionWorld, from scratch. A leaf adds prompt_encoder, region_extractor and, where it has none,
# use_global=False.
_base_ = ["../models/tiny.py", "../data/region_world.py", "../schedules/tiny.py", "../runtime.py"]
