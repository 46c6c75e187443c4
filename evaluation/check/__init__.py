"""Recomputes published reference values: `python -m evaluation.check DIR`."""
