// The Topology page: one question to the API every 5 s, drawn as nodes and the edges between them. It knows nothing of its own.

import { ask } from "./ask.js";
import { byId, make, whenBuilt } from "./dom.js";
import { Edges } from "./topology_edges.js";
import { nodes } from "./topology_graph.js";
import { NodeView } from "./topology_node.js";

const NEEDED = ["wb-topology-state", "wb-totals", "wb-map", "wb-edges"];
const REFRESH_MS = 5000;
const UNKNOWN = "unknown";
const TOTALS = { active_sessions: "talks now", total_sessions: "talks in all", total_turns: "turns", total_tool_invocations: "tool calls" };

class Page {
  constructor() {
    this.views = new Map();
    this.edges = new Edges(byId("wb-edges"), byId("wb-map"));
    this.totals(null);
    this.refresh();
    setInterval(() => document.hidden || this.refresh(), REFRESH_MS);
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
  }

  async refresh() {
    if (this.asking) return;
    this.asking = true;
    try {
      const told = await ask("/api/topology");
      this.seen = new Date(told.seen_at).toLocaleTimeString();
      this.totals(told.totals);
      const graph = nodes(told);
      this.draw(graph);
      const silent = Object.keys(told.unknown).length;
      this.say("up", `Every node was asked at ${this.seen}.${silent ? " What did not answer is shown as unknown." : ""}`);
    } catch (error) {
      this.totals(null);
      for (const view of this.views.values()) view.forget(this.seen);
      this.edges.forget();
      this.say("down", `${error.message === "Failed to fetch" ? "The server does not answer." : error.message} What was last known${this.seen ? `, at ${this.seen},` : ""} may be wrong now. The page tries again by itself.`);
    } finally {
      this.asking = false;
    }
  }

  totals(told) {
    byId("wb-totals").replaceChildren(...Object.entries(TOTALS).map(([name, title]) => {
      const tile = make("div", "tile", make("dt", "", title), make("dd", "", told ? told[name].toLocaleString("en") : UNKNOWN));
      tile.dataset.total = name;
      tile.dataset.state = told ? "known" : UNKNOWN;
      return tile;
    }));
  }

  draw(graph) {
    const there = new Set(graph.nodes.map((node) => node.id));
    for (const [id, view] of this.views) {
      if (there.has(id)) continue;
      view.element.remove();
      this.views.delete(id);
    }
    for (const node of graph.nodes) {
      const view = this.views.get(node.id) ?? new NodeView(node.id, () => this.refresh());
      this.views.set(node.id, view);
      view.show(node);
    }
    for (const list of document.querySelectorAll("[data-layer]")) {
      const wanted = graph.nodes.filter((node) => node.layer === list.dataset.layer).map((node) => this.views.get(node.id).element);
      // An element that is put in anew loses the keyboard: only a list that changed is.
      if (wanted.length !== list.children.length || wanted.some((element, place) => list.children[place] !== element)) list.replaceChildren(...wanted);
    }
    this.edges.draw(graph.edges, this.views);
  }

  say(state, text) {
    const line = byId("wb-topology-state");
    line.textContent = text;
    line.dataset.state = state;
  }
}

whenBuilt(NEEDED, () => new Page());
