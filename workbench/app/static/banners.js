// What went wrong and what to do about it. One banner for each cause.

import { byId, make } from "./dom.js";

const shown = new Map();

/** Shows a banner, or replaces the one of the same code. `level`: info, warning or error. */
export function banner(code, level, message, repair = "") {
  clearBanner(code);
  const dismiss = make("button", "wb-dismiss", "Dismiss");
  dismiss.type = "button";
  dismiss.addEventListener("click", () => clearBanner(code));
  const box = make("div", `wb-banner ${level}`, make("p", "", make("strong", "", message), repair ? ` ${repair}` : ""), dismiss);
  box.setAttribute("role", "alert");
  box.dataset.code = code;
  shown.set(code, box);
  byId("wb-banners").append(box);
}

export function clearBanner(code) {
  shown.get(code)?.remove();
  shown.delete(code);
}

/** Whether some banner says this already. */
export const says = (text) => [...shown.values()].some((box) => box.textContent.includes(text));
