"""Measurements, printed as tables; never timed tests."""
