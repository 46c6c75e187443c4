"""The empty Gradio page that every page of the workbench begins with."""

from __future__ import annotations

import warnings

import gradio as gr

from workbench.app.theme import theme


def blocks(title: str, head: str) -> gr.Blocks:
    """A page with our theme and `head`, which asks no other host for anything."""
    with warnings.catch_warnings():
        # Gradio 5.50 announces that these move to `launch` in Gradio 6, which fastrtc keeps us from.
        warnings.simplefilter("ignore", DeprecationWarning)
        made: gr.Blocks = gr.Blocks(title=title, theme=theme(), head=head, analytics_enabled=False, fill_width=True)
    return made
