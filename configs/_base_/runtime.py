"""How a run behaves, apart from model, data and schedule."""

seed = 0
device = "auto"
precision = "fp32"
accumulate = 1
log_interval = 10
checkpoint = dict(interval=500, keep=2)
tensorboard = True
