"""The Sessions page: the table of all sessions, one of them played back, two of them side by side."""

from __future__ import annotations

from workbench.app.plain_page import PlainPage

_EITHER = '<option value="">either</option><option value="true">yes</option><option value="false">no</option>'

_BODY = f"""
<main id="wb-sessions-page" class="wb-sessions-page">
  <p id="wb-sessions-said" class="wb-said" role="status"></p>
  <section id="wb-list" class="wb-list" aria-labelledby="wb-list-title" hidden>
    <h2 id="wb-list-title">Sessions</h2>
    <form id="wb-filters" class="wb-filters" role="search">
      <label class="wide">Search words, tools, notes, ids <input name="search" type="search" maxlength="200" autocomplete="off"></label>
      <label>Persona <select name="persona"><option value="">any</option></select></label>
      <label>Engine <select name="engine"><option value="">any</option></select></label>
      <label>Day (UTC) <input name="day" type="date"></label>
      <label>Had a tool <select name="tool">{_EITHER}</select></label>
      <label>Was broken into <select name="barge_in">{_EITHER}</select></label>
      <label>Rating <select name="rating"><option value="">any</option><option value="5">5 stars</option>
        <option value="4">4 or more</option><option value="3">3 or more</option><option value="2">2 or more</option>
        <option value="rated">rated</option>
        <option value="unrated">not rated</option></select></label>
    </form>
    <div class="wb-list-bar">
      <p id="wb-count" role="status"></p>
      <button id="wb-clear" type="button" hidden>Show all</button>
      <button id="wb-compare-two" type="button" disabled>Compare two</button>
    </div>
    <table id="wb-sessions" class="wb-rows">
      <thead><tr id="wb-heads"></tr></thead>
      <tbody></tbody>
    </table>
    <p id="wb-none" class="wb-none" hidden></p>
    <nav class="wb-pager" aria-label="Pages of the table">
      <button id="wb-before" type="button" disabled>Back</button><span id="wb-place"></span>
      <button id="wb-after" type="button" disabled>Further</button>
    </nav>
  </section>
  <section id="wb-one" class="wb-one" hidden></section>
  <section id="wb-both" class="wb-both" hidden></section>
</main>
"""

PAGE = PlainPage("/sessions", "sessions.css", "sessions.js", _BODY)
