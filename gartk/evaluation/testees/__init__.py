"""Models under test: what is asked the questions of a benchmark."""
