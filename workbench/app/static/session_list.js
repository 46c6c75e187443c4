// The table of sessions. The address holds the filters; the server searches, sorts and pages.

import { ask } from "./ask.js";
import { byId, make, ms } from "./dom.js";
import { button, link, minutes, slow, stars, toSession, utc } from "./session_parts.js";

const PAGE_ROWS = 50;
const TYPING_MS = 250;
const FILTERS = ["search", "persona", "engine", "day", "tool", "barge_in", "rating"];
const COLUMNS = [
  ["started", "Began, UTC"],
  ["persona", "Persona"],
  ["engine", "Engine"],
  ["length", "Length"],
  ["turns", "Turns"],
  ["latency", "Reply, median ↓"],
  ["tools", "Tools"],
  ["barge_ins", "Broken into"],
  ["rating", "Rating ↑"],
];

/** What the API calls the filters of an address. */
function asked(query) {
  const wanted = new URLSearchParams();
  for (const name of [...FILTERS, "sort", "descending", "offset"]) if (query.get(name)) wanted.set(name, query.get(name));
  const rating = query.get("rating");
  wanted.delete("rating");
  if (rating === "rated" || rating === "unrated") wanted.set("rated", String(rating === "rated"));
  else if (rating) wanted.set("rating_min", rating);
  wanted.set("limit", PAGE_ROWS);
  return wanted;
}

/** A talk that goes on, and where, if not here. */
function going(told) {
  const made = make("span", "live", told.held_by ? "going on elsewhere" : "going on");
  if (told.held_by) made.title = `Held by ${told.held_by}.`;
  return made;
}

function row(told, chosen, choose) {
  const box = make("input");
  box.type = "checkbox";
  box.checked = chosen;
  box.setAttribute("aria-label", `Choose the session of ${utc(told.started_at)} to compare`);
  box.addEventListener("change", () => choose(told.session_id, box.checked));
  const cell = (label, value, className = "") => {
    const made = make("td", className, value);
    made.dataset.label = label;
    return made;
  };
  const made = make(
    "tr", "",
    make("td", "pick", box),
    make("td", "what", link(toSession(told.session_id), utc(told.started_at)), told.opening && make("p", "opening", told.opening)),
    cell("Persona", told.persona ?? "–"),
    cell("Engine", told.engine ?? "none"),
    cell("Length", told.is_active ? going(told) : minutes(told.length_s), "number"),
    cell("Turns", String(told.turn_count), "number"),
    cell("Reply ↓", ms(told.latency_p50_ms), "number"),
    cell("Tools", String(told.tool_count), "number"),
    cell("Broken into", String(told.barge_in_count), "number"),
    cell("Rating", stars(told.rating), "number"),
  );
  made.dataset.session = told.session_id;
  return made;
}

export class SessionList {
  /** `go(query, replace)` changes the address and shows what it names. */
  constructor(go) {
    this.go = go;
    this.element = byId("wb-list");
    this.form = byId("wb-filters");
    this.chosen = new Set();
    this.asks = 0;
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", ({ target }) => this.changed(target.name === "search" ? TYPING_MS : 0));
    byId("wb-clear").addEventListener("click", () => this.go("", true));
    byId("wb-compare-two").addEventListener("click", () => this.go(new URLSearchParams({ compare: [...this.chosen].join(",") }).toString()));
    byId("wb-before").addEventListener("click", () => this.turn(-PAGE_ROWS));
    byId("wb-after").addEventListener("click", () => this.turn(PAGE_ROWS));
  }

  /** Shows what `query` asks for. */
  async show(query) {
    this.query = query;
    const number = ++this.asks;
    for (const name of FILTERS) this.offer(name, [], query.get(name) ?? "");
    this.heads();
    try {
      const told = await slow(this.element, ask(`/api/sessions?${asked(query)}`));
      // Another was asked for meanwhile: a slow answer must not stand under its filters.
      if (number === this.asks) this.draw(told);
    } catch (error) {
      if (number === this.asks) this.fail(error.message);
    }
  }

  draw(told) {
    const { query } = this;
    const offset = Number(query.get("offset") ?? 0);
    this.offer("persona", told.personas, query.get("persona") ?? "");
    this.offer("engine", told.engines, query.get("engine") ?? "");
    const choose = (id, wanted) => this.choose(id, wanted);
    byId("wb-sessions").tBodies[0].replaceChildren(...told.sessions.map((one) => row(one, this.chosen.has(one.session_id), choose)));
    byId("wb-sessions").hidden = !told.sessions.length;
    const filtered = FILTERS.some((name) => query.get(name));
    byId("wb-clear").hidden = !filtered;
    const number = (value) => value.toLocaleString("en");
    byId("wb-count").textContent = filtered ? `${number(told.total)} of ${number(told.stored)} sessions` : `${number(told.stored)} sessions`;
    byId("wb-place").textContent = told.total > told.sessions.length ? `${number(offset + 1)} to ${number(offset + told.sessions.length)}` : "";
    byId("wb-before").disabled = offset === 0;
    byId("wb-after").disabled = offset + told.sessions.length >= told.total;
    byId("wb-before").parentElement.hidden = told.total <= PAGE_ROWS;
    const none = byId("wb-none");
    none.hidden = told.sessions.length > 0;
    if (!told.stored) {
      const talk = make("a", "", "Talk page");
      talk.href = "/";
      none.replaceChildren("No session yet. Hold one on the ", talk, ": press Start talking and speak, or type. It is then here, while it goes on and after.");
    } else none.replaceChildren("No session is like that. Take a filter away, or show all.");
    this.choosing();
  }

  fail(message) {
    byId("wb-sessions").hidden = true;
    byId("wb-count").textContent = "";
    byId("wb-none").hidden = false;
    byId("wb-none").replaceChildren(`The table cannot be shown: ${message} `, button("Try again", () => this.show(this.query)));
  }

  /** Fills a filter's list with `names` and its value. A value that is not among them is kept: the address says it. */
  offer(name, names, value) {
    const field = this.form.elements[name];
    if (names.length) {
      const all = value && !names.includes(value) ? [value, ...names] : names;
      field.replaceChildren(new Option("any", ""), ...all.map((one) => new Option(one, one)));
    } else if (field.tagName === "SELECT" && value && ![...field.options].some((option) => option.value === value)) field.append(new Option(value, value));
    if (field.value !== value) field.value = value;
  }

  heads() {
    const sort = this.query.get("sort") ?? "started";
    const descending = this.query.get("descending") !== "false";
    const focused = document.activeElement?.dataset?.sort;
    const cells = COLUMNS.map(([name, title]) => {
      const sorted = name === sort;
      const made = button(title, () => this.sort(name, sorted ? !descending : true), "sort");
      made.dataset.sort = name;
      const cell = make("th", name === "started" || name === "persona" || name === "engine" ? "" : "number", made);
      cell.scope = "col";
      cell.setAttribute("aria-sort", sorted ? (descending ? "descending" : "ascending") : "none");
      return cell;
    });
    byId("wb-heads").replaceChildren(make("td", "pick"), ...cells);
    // A keyboard's place is kept: the heads are new.
    if (focused) byId("wb-heads").querySelector(`[data-sort="${focused}"]`).focus();
  }

  changed(waitMs) {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      const query = new URLSearchParams(this.query);
      query.delete("offset");
      for (const name of FILTERS) {
        const { value } = this.form.elements[name];
        if (value) query.set(name, value);
        else query.delete(name);
      }
      this.go(query.toString(), true);
    }, waitMs);
  }

  sort(name, descending) {
    const query = new URLSearchParams(this.query);
    query.delete("offset");
    query.set("sort", name);
    query.set("descending", String(descending));
    this.go(query.toString(), true);
  }

  turn(by) {
    const query = new URLSearchParams(this.query);
    query.set("offset", String(Math.max(0, Number(query.get("offset") ?? 0) + by)));
    this.go(query.toString());
    this.element.scrollIntoView();
  }

  choose(id, wanted) {
    if (wanted) this.chosen.add(id);
    else this.chosen.delete(id);
    // The third choice takes the place of the first.
    if (this.chosen.size > 2) this.choose([...this.chosen][0], false);
    for (const shown of byId("wb-sessions").tBodies[0].rows) shown.querySelector("input").checked = this.chosen.has(shown.dataset.session);
    this.choosing();
  }

  choosing() {
    const two = byId("wb-compare-two");
    two.disabled = this.chosen.size !== 2;
    two.textContent = { 0: "Compare two: choose them", 1: "Compare two: choose another", 2: "Compare these two" }[this.chosen.size];
  }
}
