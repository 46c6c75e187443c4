"""Figures (plotly). Each takes frames of `workbench.analysis` and gives a `go.Figure` in the light theme; `theme.dress` changes it."""
