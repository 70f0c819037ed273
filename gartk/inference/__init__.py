"""Asking a trained model about regions, and showing what it was asked about."""
