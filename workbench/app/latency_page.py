"""The Latency page: how long answers take and what becomes of barge-ins, for a window, an engine and a persona."""

from __future__ import annotations

from workbench.app.plain_page import PlainPage
from workbench.app.plotly_script import PLOTLY

_BODY = f"""
<main id="wb-latency" class="wb-latency" data-plotly="{PLOTLY}">
  <form id="wb-asked" class="wb-asked" aria-label="Which talks">
    <label>Window
      <select name="window">
        <option value="1h">last hour</option><option value="24h">last 24 hours</option><option value="7d">last 7 days</option>
        <option value="30d">last 30 days</option><option value="all" selected>all talks</option><option value="days">days of my own</option>
      </select>
    </label>
    <label class="days" hidden>First day (UTC) <input type="date" name="since"></label>
    <label class="days" hidden>Last day (UTC) <input type="date" name="until"></label>
    <label>Engine <select name="engine"><option value="">all</option></select></label>
    <label>Persona <select name="persona"><option value="">all</option></select></label>
    <a id="wb-report" class="wb-file" download>Report (HTML)</a>
  </form>
  <p id="wb-latency-state" class="wb-hint" role="status">Counting</p>
  <dl id="wb-facts" class="wb-facts"></dl>
  <nav id="wb-sections" class="wb-sections" aria-label="Sections"></nav>
  <div id="wb-report-body"></div>
</main>
"""

PAGE = PlainPage("/latency", "latency.css", "latency.js", _BODY)
