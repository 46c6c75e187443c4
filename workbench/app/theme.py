"""Gradio's theme with system fonts only. Colours and shapes are in `static/talk.css`, which dresses our own parts and Gradio's alike."""

from __future__ import annotations

import gradio as gr

SYSTEM_FONTS = ["system-ui", "sans-serif"]
SYSTEM_MONO = ["ui-monospace", "monospace"]


def theme() -> gr.themes.Base:
    """The plain theme; a font by name would be asked for at Google."""
    return gr.themes.Base(font=SYSTEM_FONTS, font_mono=SYSTEM_MONO, spacing_size="sm", radius_size="md", text_size="md")
