# Base "tiny", size X: the same with half the layers, small enough for unit tests (1.0M parameters).
_base_ = "tiny.py"
model = dict(llm=dict(config=dict(num_hidden_layers=3)))
