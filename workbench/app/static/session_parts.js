// Small parts that the views of the Sessions page share.

import { make } from "./dom.js";

const SLOW_MS = 300;

export function button(text, act, className = "") {
  const made = make("button", className, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

/** A link within the page: followed without a reload, and still an address. */
export function link(query, ...children) {
  const made = make("a", "", ...children);
  made.href = query ? `?${query}` : "?";
  made.dataset.go = query;
  return made;
}

export const toSession = (id) => new URLSearchParams({ session: id }).toString();

/** A time of the server's as `2026-05-04 12:00` in UTC, as the filters and exports count days. */
export const utc = (iso) => new Date(iso).toISOString().slice(0, 16).replace("T", " ");

/** Seconds as m:ss. */
export function minutes(seconds) {
  if (seconds === null) return "going on";
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

export function stars(rating) {
  return rating === null || rating === undefined ? "–" : `${Number.isInteger(rating) ? rating : rating.toFixed(1)} ★`;
}

/** Marks `element` as busy while it waits longer than people notice. Gives what `work` gives. */
export async function slow(element, work) {
  const timer = setTimeout(() => element.setAttribute("aria-busy", "true"), SLOW_MS);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
    element.removeAttribute("aria-busy");
  }
}

/** A list of names and values; what is empty is left out. */
export function facts(className, pairs) {
  const told = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return make("dl", className, ...told.map(([name, value]) => make("div", "", make("dt", "", name), make("dd", "", value))));
}
