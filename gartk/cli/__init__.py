"""The command ``gartk``: one module for each subcommand, with ``add_arguments`` and ``run``.

Nothing heavy is imported before a command runs, so that ``--help`` answers at once.
"""
