"""No models: lmms-eval looks for this table in every plugin."""

AVAILABLE_MODELS: dict[str, str] = {}
