"""What authors of parts use in their own tests: contracts (``gartk.testing.contracts``) and tiny inputs."""
