"""The region benchmarks of gartk as tasks of lmms-eval; see the README for how to name them."""
