"""A page that is an empty frame of ours: a script of ours fills it in the browser with what the API tells."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse

from workbench.app import shell
from workbench.app.blocks import blocks


@dataclass(frozen=True, slots=True)
class PlainPage:
    """One page of `shell.PAGES`."""

    address: str
    style: str
    """Its style sheet in `static/`."""
    script: str
    """Its module in `static/`."""
    body: str
    """HTML. Nothing a user, model or tool said is ever put in here."""

    def build(self, *, login: bool) -> gr.Blocks:
        """The page with the navigation above it. `login`: visitors gave a password."""
        head = (
            f'{shell.STYLE}\n<link rel="stylesheet" href="/talk/{self.style}">\n<script type="module" src="/talk/{self.script}"></script>\n'
        )
        page = blocks(f"{shell.PAGES[self.address]} - PersonaPlex Workbench", head)
        with page:
            gr.HTML(shell.top(self.address, login=login), elem_id="wb-top", padding=False)
            gr.HTML(self.body, padding=False)
        return page

    def router(self) -> APIRouter:
        """A page that is mounted is only found with the slash; the Talk page, mounted at the root, would answer without it."""
        router = APIRouter(include_in_schema=False)

        @router.get(self.address)
        async def with_slash(request: Request) -> RedirectResponse:
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{self.address}/{query}", status_code=308)

        return router
