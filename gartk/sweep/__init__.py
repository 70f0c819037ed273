"""Sweeps: many training runs with their tests, side by side, and the table that they give."""
