"""The Tools page: what tools there are and how their providers do, one tool tried by hand, and the audit of a talk."""

from __future__ import annotations

import gradio as gr
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse

from workbench.app import shell
from workbench.app.blocks import blocks

HEAD = f"""{shell.STYLE}
<link rel="stylesheet" href="/talk/tools.css">
<script type="module" src="/talk/tools.js"></script>
"""

BODY = """
<main id="wb-tools-page" class="wb-tools-page">
  <p id="wb-tools-state" class="wb-hint" role="status">Asking every provider</p>
  <section aria-labelledby="wb-providers-title">
    <h2 id="wb-providers-title">Providers</h2>
    <ul id="wb-providers" class="wb-providers"></ul>
  </section>
  <section aria-labelledby="wb-tools-title">
    <h2 id="wb-tools-title">Tools</h2>
    <ul id="wb-tools" class="wb-tools"></ul>
  </section>
  <section aria-labelledby="wb-trial-title">
    <h2 id="wb-trial-title">Try one by hand</h2>
    <form id="wb-trial" class="wb-trial">
      <label>Tool <select id="wb-trial-tool" disabled></select></label>
      <label>Arguments, as JSON <textarea id="wb-trial-arguments" rows="3" spellcheck="false" disabled>{}</textarea></label>
      <div id="wb-trial-word" class="wb-trial-word" hidden>
        <p id="wb-trial-plan"></p>
        <label>Your word <input id="wb-trial-phrase" type="text" autocomplete="off" maxlength="200"></label>
      </div>
      <button id="wb-trial-run" type="submit" disabled>Run it</button>
    </form>
    <div id="wb-trial-result" role="status"></div>
  </section>
  <section aria-labelledby="wb-turns-title">
    <h2 id="wb-turns-title">Tool turns, over all talks</h2>
    <ul id="wb-turns" class="wb-providers"></ul>
  </section>
  <section aria-labelledby="wb-audit-title">
    <h2 id="wb-audit-title">Audit of a talk</h2>
    <label class="wb-audit-pick">Talk <select id="wb-audit-session" disabled></select></label>
    <ol id="wb-audit" class="wb-audit"></ol>
  </section>
</main>
"""
"""Empty frames that `static/tools.js` fills. Nothing a user, model or tool said is ever put in here."""


router = APIRouter(include_in_schema=False)


@router.get("/tools")
async def tools(request: Request) -> RedirectResponse:
    """A page that is mounted is only found with the slash; the Talk page, mounted at the root, would answer without it."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/tools/{query}", status_code=308)


def build_tools_page() -> gr.Blocks:
    """The page; all that it shows comes from `GET /api/tools` and `/voice/sessions`."""
    page = blocks("Tools - PersonaPlex Workbench", HEAD)
    with page:
        gr.HTML(shell.top("/tools"), elem_id="wb-top", padding=False)
        gr.HTML(BODY, padding=False)
    return page
