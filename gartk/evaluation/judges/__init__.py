"""Judges: what gives verdicts about predictions. ``gartk.evaluation.by_name`` builds one from its name."""
