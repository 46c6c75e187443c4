"""The page's own HTML: empty frames that `static/talk.js` fills. Nothing a user, model or tool said is ever put in here."""

from __future__ import annotations

from html import escape
from pathlib import Path

STYLE = """
<meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="/talk/talk.css">"""

HEAD = f"""{STYLE}
<script src="/talk/before.js"></script>
<script type="module" src="/talk/talk.js"></script>
"""
"""`before.js` runs before Gradio starts: it watches the microphone and the connection from outside FastRTC."""

PAGES = {"/": "Talk", "/sessions": "Sessions", "/personas": "Personas", "/latency": "Latency", "/topology": "Topology", "/tools": "Tools"}
"""Address to name, in the order of the navigation."""

TALK_STATE = """
  <p class="wb-state" role="status"><span class="wb-dot"></span><span id="wb-state">Connecting to the server</span></p>
  <p class="wb-clock"><span id="wb-clock" aria-label="Time in the talk">0:00</span><span id="wb-recorded"></span></p>"""

START = """
<div class="wb-start">
  <button id="wb-start" type="button" disabled>Start talking</button>
  <p id="wb-hint" class="wb-hint">Use headphones if you can: the persona then never hears itself.</p>
</div>
"""

LIGHTS = """
<section class="wb-side" aria-label="Engines">
  <h2>Engines</h2>
  <ul id="wb-lights" class="wb-lights"><li class="wb-none">Asking them</li></ul>
</section>
"""

PARTS = """
<section class="wb-side" aria-label="Parts in use">
  <h2>Parts in use</h2>
  <dl id="wb-parts" class="wb-parts"><div class="wb-none">Chosen when a talk begins.</div></dl>
</section>
"""

STAGE = """
<section class="wb-strip" aria-label="The last 30 seconds">
  <canvas id="wb-strip" role="img" aria-label="No sound yet"></canvas>
  <ul class="wb-legend" aria-hidden="true">
    <li class="k-user">you</li><li class="k-agent">persona</li><li class="k-forced">words given to it</li>
    <li class="k-both">both at once</li><li class="k-tool">tool</li><li class="k-barge">you broke in</li><li class="k-lost">sound lost</li>
  </ul>
</section>
<dl id="wb-measures" class="wb-measures" aria-label="Measured in this talk"></dl>
<section class="wb-talk" aria-label="What was said">
  <div class="wb-lanes" aria-hidden="true"><span>You</span><span></span><span id="wb-agent-name">Persona</span></div>
  <ol id="wb-transcript" class="wb-transcript" role="log" aria-live="polite" aria-relevant="additions text" tabindex="0"
      aria-label="Transcript"></ol>
  <p id="wb-empty" class="wb-empty">Press <b>Start talking</b> and speak, or type. Ask the time in Tokyo, or what twelve times seven is;
    break in whenever you like.</p>
</section>
<form id="wb-type" class="wb-type">
  <label for="wb-text" class="wb-hidden">Type instead of speaking</label>
  <input id="wb-text" type="text" autocomplete="off" maxlength="2000" placeholder="Type instead of speaking" disabled>
  <button type="submit" disabled>Send</button>
</form>
"""


def top(current: str, state: str = "", *, login: bool = False) -> str:
    """The head of a page: the name, the way to the other pages, and `state` (HTML of ours). `login`: whoever is here gave a password."""
    links = "".join(
        f'<a href="{address}"{" aria-current=page" if address == current else ""}>{escape(name)}</a>' for address, name in PAGES.items()
    )
    if login:
        links += '<a href="/logout">Log out</a>'
    return (
        '<header class="wb-top"><h1>PersonaPlex <span>Workbench</span></h1>'
        f'<nav class="wb-nav" aria-label="Pages">{links}</nav>{state}</header><div id="wb-banners" class="wb-banners"></div>'
    )


def recording_note(audio_dir: Path) -> str:
    """What recording means. Of the folder only the last parts are shown: whoever sees the page need not know the server's disk."""
    folder = "/".join(audio_dir.parts[-2:])
    return (
        '<p class="wb-note">On: rows and stereo FLAC (you left, persona right) in '
        f"<code>{escape(folder)}</code>. Off: rows only, no sound.</p>"
    )
