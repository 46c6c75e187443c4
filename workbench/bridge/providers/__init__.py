"""Providers that live elsewhere."""
