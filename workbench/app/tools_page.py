"""The Tools page: what tools there are and how their providers do, one tool tried by hand, and the audit of a talk."""

from __future__ import annotations

from workbench.app.plain_page import PlainPage

_BODY = """
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

PAGE = PlainPage("/tools", "tools.css", "tools.js", _BODY)
