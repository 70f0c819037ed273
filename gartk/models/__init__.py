"""The parts of a region MLLM and the model that wires them."""
