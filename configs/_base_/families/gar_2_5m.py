# How the paper trains, whatever the model: GAR-2.5M, its schedule, 8 ranks.
_base_ = ["../data/gar_2_5m.py", "../schedules/one_pass_2_4m.py", "../runtime_8_ranks.py"]
