// The Sessions page: which of its three views the address names, and the way between them.

import { byId, whenBuilt } from "./dom.js";
import { Comparison } from "./session_compare.js";
import { SessionList } from "./session_list.js";
import { SessionView } from "./session_view.js";

const NEEDED = ["wb-list", "wb-filters", "wb-sessions", "wb-one", "wb-both", "wb-sessions-said"];

class Page {
  constructor() {
    const go = (query, replace) => this.go(query, replace);
    this.listed = "";
    this.list = new SessionList(go);
    this.views = { list: this.list, one: new SessionView(byId("wb-one"), (said) => this.back(said)), both: new Comparison(byId("wb-both")) };
    addEventListener("popstate", () => this.route());
    byId("wb-sessions-page").addEventListener("click", (event) => {
      const link = event.target.closest("a[data-go]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.go(link.dataset.go === "back" ? this.listed : link.dataset.go);
    });
    this.route();
  }

  go(query, replace = false) {
    history[replace ? "replaceState" : "pushState"](null, "", query ? `?${query}` : location.pathname);
    this.route();
  }

  /** To the table as it was last, with something to say. */
  back(said) {
    this.go(this.listed, true);
    byId("wb-sessions-said").textContent = said;
  }

  route() {
    const query = new URLSearchParams(location.search);
    byId("wb-sessions-said").textContent = "";
    const shown = query.get("session") ? "one" : query.get("compare") ? "both" : "list";
    for (const [name, view] of Object.entries(this.views)) {
      const element = byId(`wb-${name}`);
      if (name !== shown && !element.hidden) view.leave?.();
      element.hidden = name !== shown;
    }
    if (shown === "one") this.views.one.show(query.get("session"), Number(query.get("at")) || 0);
    else if (shown === "both") this.views.both.show(query.get("compare").split(","));
    else {
      this.listed = query.toString();
      this.list.show(query);
    }
  }
}

whenBuilt(NEEDED, () => new Page());
