"""Puts this folder on the path of all tests, so that they find `servers` and `ws_talks`."""
