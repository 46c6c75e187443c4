// Figures drawn with plotly, whose script is asked for only once there is something to draw.

import { byId, make } from "./dom.js";

const NARROW_PX = 640;
const CAPTION = "caption";
const dark = matchMedia("(prefers-color-scheme: dark)");
let loading;

/** Plotly, from this server; asked for once. */
function plotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = make("script");
    script.src = byId("wb-latency").dataset.plotly;
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => {
      loading = undefined;
      script.remove();
      reject(new Error("The script that draws the figures could not be fetched. The tables hold the same numbers; reload for the figures."));
    });
    document.head.append(script);
  });
  return loading;
}

/** What the server escaped for plotly's markup, as the plain text that it was. */
const plain = (text) => text.replaceAll("<br>", " ").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

/** Title and caption as text beside the drawing: there they wrap and are read aloud. */
function worded(figure) {
  const { title, annotations = [], ...layout } = figure.layout;
  const captions = annotations.filter((one) => one.name === CAPTION);
  return {
    title: plain(title.text),
    caption: captions.map((one) => plain(one.text)).join(" "),
    data: figure.data,
    layout: { ...layout, annotations: annotations.filter((one) => one.name !== CAPTION), title: { text: "" } },
  };
}

/** The layout for a page of this width and theme. */
function dressed(layout, template, narrow) {
  const clear = "rgba(0,0,0,0)";
  // Plotly writes into what it is given, so each drawing gets a copy of its own.
  const made = structuredClone({ ...layout, template, paper_bgcolor: clear, plot_bgcolor: clear });
  made.margin = { ...made.margin, t: made.margin?.t ?? 44, b: 56, r: 16 };
  if (!narrow) return made;
  const noted = made.annotations.filter((one) => one.yref === "y domain");
  made.margin = { l: 8, r: 8, t: noted.length ? 48 : 10, b: 40 };
  made.font = { size: 12 };
  for (const name of Object.keys(made).filter((key) => /^[xy]axis/.test(key))) {
    made[name].automargin = true;
    if (made[name].title?.text) made[name].title = { text: made[name].title.text.replace(", ", "<br>"), font: { size: 11 } };
  }
  // Where there is no room within the axes, notes go above them and names of series below.
  for (const note of noted) note.yanchor = "bottom";
  made.legend = { ...made.legend, orientation: "h", x: 0, xref: "container", xanchor: "left", y: 0, yref: "container", yanchor: "bottom" };
  if (made.xaxis2) {
    // Two drawings side by side come one above the other.
    Object.assign(made.xaxis, { domain: [0, 1] });
    Object.assign(made.yaxis, { domain: [0.5, 1] });
    Object.assign(made.xaxis2, { domain: [0, 1] });
    Object.assign(made.yaxis2, { domain: [0.06, 0.34] });
    made.height = 1.5 * made.height;
  }
  return made;
}

/** One figure with its words; `draw` draws it, again when the theme or the width has changed. */
export class Figure {
  constructor(figure, templates) {
    this.words = worded(figure);
    this.templates = templates;
    this.place = make("div", "wb-drawing", make("p", "wb-none", "Drawing"));
    this.element = make("figure", "wb-figure", make("h3", "", this.words.title), this.place, make("figcaption", "", this.words.caption));
  }

  async draw() {
    const narrow = innerWidth < NARROW_PX;
    const theme = dark.matches ? "dark" : "light";
    const told = `${theme} ${narrow}`;
    if (this.drawn === told) return;
    const Plotly = await plotly();
    this.place.querySelector(".wb-none")?.remove();
    const layout = dressed(this.words.layout, this.templates[theme], narrow);
    await Plotly.react(this.place, structuredClone(this.words.data), layout, { responsive: true, displayModeBar: false });
    this.drawn = told;
    this.place.dataset.drawn = theme;
  }

  remove() {
    if (this.drawn) window.Plotly.purge(this.place);
  }
}

/** Calls `redraw` when the theme or the kind of width changes. */
export function onChange(redraw) {
  dark.addEventListener("change", redraw);
  matchMedia(`(width < ${NARROW_PX}px)`).addEventListener("change", redraw);
}
