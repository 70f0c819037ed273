"""RegionWorld: a procedural world that mirrors GAR-Bench's tasks on scenes with exact masks."""
