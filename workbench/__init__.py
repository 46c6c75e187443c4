"""PersonaPlex Workbench."""
