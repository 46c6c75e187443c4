// Elements made from text only: nothing that was said, typed or found is ever read as HTML.

export const byId = (id) => document.getElementById(id);

/** An element with a class, and children that are elements or text; what is empty or false is left out. */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== "" && child !== false));
  return element;
}

/** Milliseconds as people read them; a dash where nothing was measured. */
export function ms(value) {
  if (value === null || value === undefined) return "–";
  if (Math.abs(value) >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return `${Math.abs(value) < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en")} ms`;
}

/** Session time as m:ss. */
export function clock(timeMs) {
  const seconds = Math.max(0, Math.floor(timeMs / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

export const plain = (name) => name.replaceAll("_", " ");

/** Calls `start` once elements with all these ids are there: Gradio builds the page in the browser, some time after our script runs. */
export function whenBuilt(ids, start) {
  const built = () => ids.every(byId);
  if (built()) {
    start();
    return;
  }
  const watcher = new MutationObserver(() => {
    if (!built()) return;
    watcher.disconnect();
    start();
  });
  watcher.observe(document.documentElement, { childList: true, subtree: true });
}
