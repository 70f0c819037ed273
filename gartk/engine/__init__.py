"""Training: configs, data order, optimiser groups, hooks, exact checkpoints, MMEngine's Runner set up."""
