"""The tasks of RegionWorld: each plans a question about a scene and then words it."""
