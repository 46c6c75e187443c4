"""The Personas page: who there is and how they do, one persona's file edited, its versions."""

from __future__ import annotations

from workbench.app.plain_page import PlainPage

_BODY = """
<main id="wb-personas-page" class="wb-personas-page">
  <section class="wb-people" aria-labelledby="wb-people-title">
    <h2 id="wb-people-title">Personas</h2>
    <p id="wb-people-state" class="wb-hint" role="status">Reading the library</p>
    <ul id="wb-people"></ul>
    <button id="wb-new" type="button" disabled>New persona</button>
  </section>
  <div class="wb-persona">
    <form id="wb-edit" class="wb-edit" aria-labelledby="wb-edit-title">
      <h2 id="wb-edit-title">Choose a persona</h2>
      <label id="wb-edit-new" hidden>Id, the file's name
        <input id="wb-edit-id" type="text" maxlength="48" autocomplete="off" spellcheck="false" placeholder="night-porter"></label>
      <label>File: what it is, then its prompt
        <textarea id="wb-edit-text" rows="14" spellcheck="false" disabled></textarea></label>
      <p id="wb-edit-count" class="why" role="status"></p>
      <ul id="wb-edit-notes" class="wb-notes" aria-label="Faults and advice" aria-live="polite"></ul>
      <div class="wb-edit-acts">
        <button id="wb-save" type="submit" disabled>Save as a version</button>
        <a id="wb-talk" hidden>Talk to it now</a>
        <button id="wb-hear" type="button" hidden>Hear its voice</button>
      </div>
      <p id="wb-edit-said" role="status"></p>
      <audio id="wb-voice" controls hidden></audio>
      <details id="wb-diff-box" hidden><summary>What the edit changes</summary><pre id="wb-diff" tabindex="0"></pre></details>
    </form>
    <section aria-labelledby="wb-versions-title">
      <h2 id="wb-versions-title">Versions</h2>
      <ol id="wb-versions" class="wb-versions"></ol>
    </section>
    <section aria-labelledby="wb-blind-title">
      <h2 id="wb-blind-title">Two versions, blind</h2>
      <p id="wb-blind-why" class="why"></p>
      <form id="wb-blind" class="wb-blind" hidden>
        <label>One version <select id="wb-blind-first"></select></label>
        <label>The other <select id="wb-blind-second"></select></label>
        <button type="submit">Draw A and B</button>
      </form>
      <form id="wb-vote" class="wb-vote" hidden>
        <p id="wb-vote-talks"></p>
        <fieldset><legend>Which was better?</legend>
          <label><input type="radio" name="preferred" value="A"> A</label>
          <label><input type="radio" name="preferred" value="B"> B</label>
          <label><input type="radio" name="preferred" value=""> neither</label>
        </fieldset>
        <label>Note <input id="wb-vote-note" type="text" maxlength="2000" autocomplete="off"></label>
        <label>Your name <input id="wb-vote-rater" type="text" maxlength="80" autocomplete="name"></label>
        <button type="submit">Vote, and learn which was which</button>
      </form>
      <p id="wb-blind-said" role="status"></p>
    </section>
    <section aria-labelledby="wb-voices-title">
      <h2 id="wb-voices-title">Voices of your own, for PersonaPlex</h2>
      <ul id="wb-voices" class="wb-versions"></ul>
      <form id="wb-upload" class="wb-blind">
        <label>Recording, 0.4 to 30 s <input id="wb-upload-file" type="file" accept="audio/*" required></label>
        <label>Name <input id="wb-upload-name" type="text" maxlength="40" autocomplete="off" placeholder="ida" required></label>
        <label>Who speaks <input id="wb-upload-speaker" type="text" maxlength="120" autocomplete="off" required></label>
        <label class="wb-consent"><input id="wb-upload-consent" type="checkbox"> The speaker agrees that this voice is used</label>
        <button type="submit">Upload</button>
      </form>
      <p id="wb-upload-said" role="status"></p>
    </section>
    <section aria-labelledby="wb-scores-title">
      <h2 id="wb-scores-title">How its versions did</h2>
      <div id="wb-scores" class="wb-scores" tabindex="0"></div>
    </section>
  </div>
</main>
"""

PAGE = PlainPage("/personas", "personas.css", "personas.js", _BODY)
