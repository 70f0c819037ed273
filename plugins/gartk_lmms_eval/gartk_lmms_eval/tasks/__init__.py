"""Task definitions of lmms-eval, one YAML file each."""
