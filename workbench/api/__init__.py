"""The HTTP API: a thin face over the workbench."""
