"""Records and scorers of the published benchmarks; they need the standard library alone."""
