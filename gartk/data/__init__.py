"""Everything between files and tensors: tiling, prompt text, datasets, collation."""
