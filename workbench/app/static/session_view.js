// One session under an address of its own: played back when it is over, live while it goes on.

import { ask } from "./ask.js";
import { make, plain } from "./dom.js";
import { happened } from "./session_happened.js";
import { LiveView } from "./session_live.js";
import { numbers } from "./session_numbers.js";
import { button, facts, link, minutes, slow, utc } from "./session_parts.js";
import { Ratings } from "./session_ratings.js";
import { Replayer } from "./session_replay.js";

const AGAIN_MS = 2000;
/** So long the sound of a talk may take to become one file. */
const JOINING_MS = 60_000;

/** Everything that is stored of a session: its rows, and where they lay. */
export async function stored(id) {
  const name = encodeURIComponent(id);
  return Promise.all([ask(`/voice/sessions/${name}`), ask(`/api/sessions/${name}/replay`)]);
}

export const heading = (detail) => `${detail.persona ?? "?"} on ${detail.engine ?? "no engine"}`;

function told(detail) {
  const parts = Object.entries(detail.metadata.parts ?? {}).map(([role, part]) => `${plain(role)} ${part.name}`);
  return facts("wb-facts", [
    ["Began, UTC", utc(detail.started_at)],
    ["Ended", detail.is_active ? "it goes on" : [plain(detail.ended_reason ?? "unknown"), detail.ended_detail].filter(Boolean).join(": ")],
    ["Engine", [detail.engine, detail.engine_reason].filter(Boolean).join(": ")],
    ["Parts", parts.join(", ")],
    ["Voice", detail.voice_prompt],
    ["Came over", detail.transport],
    ["Session", detail.session_id],
  ]);
}

export class SessionView {
  /** `gone(said)`: the session was deleted. */
  constructor(element, gone) {
    this.element = element;
    this.gone = gone;
  }

  async show(id, atMs = 0) {
    this.leave();
    this.id = id;
    this.element.replaceChildren(make("p", "wb-waiting", "Reading the session"));
    try {
      const [detail, replay] = await slow(this.element, stored(id));
      if (id === this.id) this.draw(detail, replay, atMs);
    } catch (error) {
      if (id === this.id) this.element.replaceChildren(link("back", "All sessions"), make("p", "wb-none", error.message));
    }
  }

  draw(detail, replay, atMs) {
    this.said = make("p", "why");
    this.said.setAttribute("role", "status");
    const title = make("h2", "", heading(detail), detail.is_active && make("span", "live", "going on"));
    this.element.replaceChildren(link("back", "All sessions"), make("header", "wb-one-head", title, this.acts(detail)), this.said);
    if (detail.is_active) this.live(detail, replay);
    else this.over(detail, replay, atMs);
  }

  over(detail, replay, atMs = 0) {
    this.replayer = new Replayer(detail, replay);
    this.ratings = new Ratings(detail.session_id);
    if (atMs) this.replayer.seek(atMs);
    const joining = detail.recording && !detail.audio && Date.now() - new Date(detail.ended_at) < JOINING_MS;
    if (joining) this.timer = setTimeout(() => detail.session_id === this.id && this.again(), AGAIN_MS);
    this.element.append(
      this.replayer.element,
      make(
        "div", "wb-columns",
        make("section", "", make("h3", "", "What happened"), happened(detail, this.replayer)),
        make("div", "wb-aside", make("section", "", make("h3", "", "In figures"), numbers(detail, replay)), this.ratings.element, make("section", "", make("h3", "", "About it"), told(detail))),
      ),
    );
  }

  live(detail, replay) {
    const ended = () => detail.session_id === this.id && this.again(true);
    this.feed = new LiveView(detail.session_id, ended, () => {
      if (detail.session_id !== this.id) return;
      // A conversation in text has no feed: its rows are read again and again.
      this.feed.element.remove();
      this.said.textContent = detail.held_by
        ? `It is held by ${detail.held_by} and can be heard and ended there; what is stored of it is read every 2 s.`
        : "It goes on without sound; what is stored of it is read every 2 s.";
      this.over(detail, replay);
      this.timer = setTimeout(() => detail.session_id === this.id && this.again(), AGAIN_MS);
    });
    this.element.append(this.feed.element);
  }

  /** Whether a new drawing would take something out of the visitor's hands. */
  get inUse() {
    return this.ratings?.begun || this.replayer?.playing || this.element.querySelector("dialog") !== null;
  }

  /** Reads it again, where the visitor is. `ended`: the talk has said so; the store may be a moment behind. */
  async again(ended = false) {
    const { id } = this;
    try {
      const [detail, replay] = await stored(id);
      if (id !== this.id) return;
      if ((ended && detail.is_active) || this.inUse) {
        this.timer = setTimeout(() => id === this.id && this.again(ended), AGAIN_MS / 2);
        return;
      }
      const place = scrollY;
      this.leave();
      this.id = id;
      this.draw(detail, replay, 0);
      scrollTo(0, place);
    } catch (error) {
      this.said.textContent = `${error.message} It is tried again.`;
      this.timer = setTimeout(() => id === this.id && this.again(ended), AGAIN_MS);
    }
  }

  acts(detail) {
    const audit = make("a", "", "Audit of its tools");
    audit.href = `/tools/?session=${encodeURIComponent(detail.session_id)}`;
    const save = button("Export", () => this.save(detail));
    const erase = button("Delete", () => this.ask(detail), "danger");
    for (const act of [save, erase]) {
      act.disabled = detail.is_active;
      if (detail.is_active) act.title = "When it is over";
    }
    return make("div", "wb-acts", button("Copy link", () => this.copy()), save, audit, erase);
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(location.href);
      this.said.textContent = "The address is copied.";
    } catch {
      this.said.textContent = `This browser does not let pages copy. The address: ${location.href}`;
    }
  }

  async save(detail) {
    this.said.textContent = "Exporting";
    try {
      const body = JSON.stringify({ sessions: [detail.session_id], audio: Boolean(detail.audio) });
      const answer = await fetch("/api/export", { method: "POST", headers: { "Content-Type": "application/json" }, body });
      if (!answer.ok) throw new Error((await answer.json()).error);
      const address = URL.createObjectURL(await answer.blob());
      const down = Object.assign(make("a"), { href: address, download: `session-${detail.session_id}.tar` });
      down.click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
      this.said.textContent = `Exported: Parquet by table${detail.audio ? ", and the recording" : ""}.`;
    } catch (error) {
      this.said.textContent = `It was not exported: ${error.message}`;
    }
  }

  /** Asks before anything is deleted. */
  ask(detail) {
    const parts = [`${detail.turns.length} turns`, `${detail.tool_invocations.length} tool calls`, "all events, ratings and notes"];
    if (detail.audio) parts.push(`the recording of ${minutes(detail.audio.samples / detail.audio.sample_rate)}`);
    const dialog = make("dialog", "wb-dialog");
    const said = make("p", "why");
    said.setAttribute("role", "alert");
    const keep = button("Keep it", () => dialog.close());
    const erase = button("Delete for ever", () => this.erase(detail, dialog, said), "danger");
    const title = make("h3", "", `Delete the session of ${utc(detail.started_at)}?`);
    title.id = "wb-dialog-title";
    dialog.setAttribute("aria-labelledby", title.id);
    dialog.append(title, make("p", "", `${parts.join(", ")}: it all goes and cannot be brought back.`), said, make("p", "wb-acts", keep, erase));
    dialog.addEventListener("close", () => dialog.remove());
    this.element.append(dialog);
    dialog.showModal();
    keep.focus();
  }

  async erase(detail, dialog, said) {
    try {
      await slow(dialog, ask(`/api/sessions/${encodeURIComponent(detail.session_id)}`, { method: "DELETE" }));
      dialog.close();
      this.leave();
      this.gone(`The session of ${utc(detail.started_at)} is deleted.`);
    } catch (error) {
      said.textContent = error.message;
    }
  }

  leave() {
    clearTimeout(this.timer);
    this.feed?.leave();
    this.replayer?.leave();
    this.feed = this.replayer = this.ratings = this.id = null;
  }
}
