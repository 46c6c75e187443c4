"""Engines: whatever speaks for the agent, behind one protocol (`engines.base`)."""
