// The Latency page: what is asked for is the address, what is shown is the API's answer. It counts nothing.

import { ask } from "./ask.js";
import { byId, make, ms, whenBuilt } from "./dom.js";
import { Figure, onChange } from "./figures.js";

const NEEDED = ["wb-latency", "wb-asked", "wb-report", "wb-latency-state", "wb-facts", "wb-sections", "wb-report-body"];
const FIELDS = ["window", "since", "until", "engine", "persona"];
const DAYS = "days";
const nextFrame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

function table(told, query) {
  const text = (number) => (told.columns[number].text ? "text" : "");
  const head = make("tr", "", ...told.columns.map((column, number) => scoped(make("th", text(number), column.heading))));
  const rows = told.rows.map((cells) => make("tr", "", ...cells.map((cell, number) => {
    const made = make("td", text(number), cell);
    made.dataset.column = told.columns[number].heading;
    return made;
  })));
  const file = make("a", "wb-file", "CSV");
  file.href = `/api/latency/tables/${told.name}.csv?${query}`;
  file.download = `${told.name}.csv`;
  file.setAttribute("aria-label", `${told.name} as CSV`);
  const made = make("div", "wb-counted", make("p", "wb-over", make("span", "", told.caption), file));
  made.append(rows.length ? make("table", "", make("thead", "", head), make("tbody", "", ...rows)) : make("p", "wb-none", "Nothing of this in these talks."));
  made.dataset.table = told.name;
  return made;
}

function scoped(heading) {
  heading.scope = "col";
  return heading;
}

class Page {
  constructor() {
    this.form = byId("wb-asked");
    this.figures = [];
    this.form.addEventListener("change", () => this.changed());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    addEventListener("popstate", () => this.read());
    onChange(() => this.draw());
    this.read();
  }

  /** The address into the form. */
  read() {
    const asked = new URLSearchParams(location.search);
    for (const name of FIELDS) {
      const field = this.form.elements[name];
      const value = asked.get(name) ?? (name === "window" ? "all" : "");
      if (field.tagName === "SELECT" && ![...field.options].some((option) => option.value === value)) {
        if (name === "window") continue;
        field.add(new Option(value, value));
      }
      field.value = value;
    }
    if (asked.get("since") || asked.get("until")) this.form.elements.window.value = DAYS;
    this.show();
  }

  /** The form into the address. */
  changed() {
    const query = this.query();
    history.pushState(null, "", query ? `?${query}` : location.pathname);
    this.show();
  }

  query() {
    const days = this.form.elements.window.value === DAYS;
    const told = new URLSearchParams();
    for (const name of FIELDS) {
      const value = this.form.elements[name].value;
      const fits = name === "window" ? !days && value !== "all" : days || !["since", "until"].includes(name);
      if (value && fits) told.set(name, value);
    }
    return told.toString();
  }

  async show() {
    const query = this.query();
    const days = this.form.elements.window.value === DAYS;
    for (const label of this.form.querySelectorAll(".days")) label.hidden = !days;
    byId("wb-report").href = `/api/latency/report.html?${query}`;
    this.waiting?.abort();
    const waiting = (this.waiting = new AbortController());
    byId("wb-latency").setAttribute("aria-busy", "true");
    this.say("loading", "Counting");
    try {
      const told = await ask(`/api/latency?${query}`, { signal: waiting.signal });
      this.choices("engine", told.engines);
      this.choices("persona", told.personas);
      this.fill(told, query);
      if (told.talks) await this.draw();
      if (waiting.signal.aborted) return;
      if (told.talks) this.say("up", `${told.talks.toLocaleString("en")} of ${told.total.toLocaleString("en")} talks that are over, counted at ${new Date(told.made_at).toLocaleTimeString()} in ${ms(told.took_ms)}.`);
    } catch (error) {
      if (waiting.signal.aborted) return;
      this.say("down", this.figures.length ? `What is shown is of what was asked for before: ${error.message}` : error.message);
    } finally {
      if (!waiting.signal.aborted) byId("wb-latency").setAttribute("aria-busy", "false");
    }
  }

  choices(name, found) {
    const field = this.form.elements[name];
    const { value } = field;
    const options = found.map((one) => new Option(`${one.name} (${one.talks.toLocaleString("en")})`, one.name));
    if (value && !found.some((one) => one.name === value)) options.push(new Option(`${value} (0)`, value));
    field.replaceChildren(new Option("all", ""), ...options);
    field.value = value;
  }

  fill(told, query) {
    for (const figure of this.figures) figure.remove();
    this.figures = [];
    byId("wb-report").hidden = !told.talks;
    if (!told.talks) {
      this.say("empty", told.total ? `No talk that is over fits this. There are ${told.total.toLocaleString("en")} in all: choose a longer window, or all engines and personas.` : "No talk is over yet. Have one on the Talk page; what it measured is then here.");
      for (const id of ["wb-facts", "wb-sections", "wb-report-body"]) byId(id).replaceChildren();
      return;
    }
    byId("wb-facts").replaceChildren(...Object.entries(told.facts).filter(([name]) => name !== "from").map(([name, value]) => make("div", "", make("dt", "", name), make("dd", "", value))));
    const sections = told.sections.map((section) => {
      const figures = section.figures.map((figure) => new Figure(figure, told.templates));
      this.figures.push(...figures);
      const made = make("section", "", make("h2", "", section.title), make("p", "wb-hint", section.text), ...figures.map((figure) => figure.element), ...section.tables.map((one) => table(one, query)));
      made.id = section.title.toLowerCase().replaceAll(" ", "-");
      return made;
    });
    byId("wb-sections").replaceChildren(...sections.map((section) => {
      const link = make("a", "", section.querySelector("h2").textContent);
      link.href = `#${section.id}`;
      return link;
    }));
    byId("wb-report-body").replaceChildren(...sections);
  }

  async draw() {
    for (const figure of this.figures) {
      await figure.draw();
      // Between two figures the page can be scrolled and another window chosen.
      await nextFrame();
    }
  }

  say(state, text) {
    const line = byId("wb-latency-state");
    line.textContent = text;
    line.dataset.state = state;
  }
}

whenBuilt(NEEDED, () => new Page());
