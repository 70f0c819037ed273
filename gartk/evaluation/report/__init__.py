"""What a run leaves to read: a page with pictures and verdicts."""
