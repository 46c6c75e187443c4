// The lines between nodes: curves from column to column, and where the columns lie one under the other, lanes along the left side.

const SVG = "http://www.w3.org/2000/svg";
const LANES = { user: 5, agent: 11, speech: 15, tool: 19, store: 23 };

function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

export class Edges {
  constructor(drawing, map) {
    this.drawing = drawing;
    this.map = map;
    this.edges = [];
    this.views = new Map();
    new ResizeObserver(() => this.redraw()).observe(map);
    for (const [event, lit] of [["mouseover", true], ["focusin", true], ["mouseout", false], ["focusout", false]]) {
      map.addEventListener(event, (happened) => this.light(lit ? happened.target.closest?.("[data-node]")?.dataset.node : undefined));
    }
  }

  draw(edges, views) {
    this.edges = edges;
    this.views = views;
    this.redraw();
  }

  /** Nobody knows what is connected now. */
  forget() {
    for (const path of this.drawing.querySelectorAll("path")) path.dataset.state = "unknown";
  }

  /** Brings out what hangs together with a node. */
  light(node) {
    for (const path of this.drawing.querySelectorAll("path")) path.classList.toggle("lit", node !== undefined && (path.dataset.from === node || path.dataset.to === node));
  }

  element(id) {
    return id === "talks" ? this.map.querySelector(".layer.talks") : this.views.get(id)?.element;
  }

  redraw() {
    const frame = this.map.getBoundingClientRect();
    const stacked = getComputedStyle(this.map).getPropertyValue("--stacked").trim() === "yes";
    this.drawing.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
    const box = (element) => {
      const { left, right, top, bottom, height } = element.getBoundingClientRect();
      return { left: left - frame.left, right: right - frame.left, top: top - frame.top, bottom: bottom - frame.top, middle: top - frame.top + height / 2 };
    };
    const paths = [];
    for (const edge of this.edges) {
      const [from, to] = [this.element(edge.from), this.element(edge.to)];
      if (!from || !to) continue;
      const path = svg("path", { d: stacked ? lane(box(from), box(to), LANES[edge.kind]) : curve(box(from), box(to), edge.from === "talks") });
      const state = [from, to].some((one) => one.dataset.state === "unknown") ? "unknown" : edge.live ? "live" : "idle";
      Object.assign(path.dataset, { from: edge.from, to: edge.to, kind: edge.kind, state });
      paths.push(path);
    }
    this.drawing.replaceChildren(...paths);
  }
}

function curve(from, to, bus) {
  if (to.left <= from.right && to.left >= from.left - 4) {
    // One below the other in one column.
    const x = (Math.max(from.left, to.left) + Math.min(from.right, to.right)) / 2;
    return `M ${x} ${from.bottom} L ${x} ${to.top}`;
  }
  const start = bus ? Math.min(Math.max(to.middle, from.top + 12), from.bottom - 12) : from.middle;
  const bend = (to.left - from.right) / 2;
  return `M ${from.right} ${start} C ${from.right + bend} ${start} ${to.left - bend} ${to.middle} ${to.left} ${to.middle}`;
}

function lane(from, to, x) {
  const round = 6;
  const down = to.middle > from.middle ? 1 : -1;
  return [
    `M ${from.left} ${from.middle} H ${x + round} Q ${x} ${from.middle} ${x} ${from.middle + down * round}`,
    `V ${to.middle - down * round} Q ${x} ${to.middle} ${x + round} ${to.middle} H ${to.left}`,
  ].join(" ");
}
