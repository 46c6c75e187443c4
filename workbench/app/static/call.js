// The call: one button of our own that works FastRTC's two, and everything that can go wrong with a microphone or a network path.

import { banner, clearBanner, says } from "./banners.js";
import { byId } from "./dom.js";

const CONNECT_WITHIN_MS = 8_000;
const FIND_BUTTON_WITHIN_MS = 10_000;

const LABELS = { idle: "Start talking", asking: "Waiting for the microphone", connecting: "Connecting", talking: "Hang up", ending: "Hanging up" };

const MICROPHONE = {
  NotAllowedError: [
    "The browser may not use the microphone.",
    "Click the sign left of the address, allow the microphone for this page, and start again. Typing below works without it.",
  ],
  NotFoundError: ["No microphone was found.", "Plug one in, or choose one in the system's sound settings. Typing below works without it."],
  NotReadableError: ["The microphone cannot be opened.", "Another program may hold it: close that program and start again."],
  OverconstrainedError: ["The microphone cannot give what is asked of it.", "Choose another one in the system's sound settings."],
  insecure: [
    "The browser gives no microphone to this address.",
    "Open the page at http://127.0.0.1 or http://localhost on the server's own machine, or serve it over https. Typing below works without it.",
  ],
};

const NO_PATH = [
  "No network path for the sound.",
  "The browser and the server find no way to each other, mostly because of a firewall or another network between them. Set " +
    "WORKBENCH_STUN_URLS, or WORKBENCH_TURN_URL with WORKBENCH_TURN_USERNAME and WORKBENCH_TURN_PASSWORD, on the server and start it again.",
];

export class Call extends EventTarget {
  constructor(calls) {
    super();
    this.state = "idle";
    this.peer = null;
    this.button = byId("wb-start");
    this.button.disabled = false;
    this.written = false;
    this.button.addEventListener("click", () => {
      if (this.written) return;
      if (this.state === "idle") this.start();
      else this.hangUp();
    });
    calls.addEventListener("microphone", ({ detail }) => this.microphone(detail.error));
    calls.addEventListener("connection", ({ detail }) => this.connection(detail));
    calls.addEventListener("refused", ({ detail }) => {
      this.fail("refused", `The server takes no call: ${detail.message ?? detail.error}.`, "Try again in a moment.");
    });
    this.watchToasts();
    this.check();
  }

  set(state) {
    this.state = state;
    this.button.setAttribute("aria-busy", String(state === "asking" || state === "connecting" || state === "ending"));
    this.dispatchEvent(new Event("change"));
  }

  /** The button's face. `written`: a talk without a call is going on, which the page itself ends. */
  label(written) {
    this.written = written;
    const text = written ? "End the written talk" : LABELS[this.state];
    if (this.button.textContent !== text) this.button.textContent = text;
    this.button.classList.toggle("live", written || this.state === "talking");
  }

  /** What can be known before anybody clicks. */
  async check() {
    if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) {
      this.complain("insecure");
      return false;
    }
    const devices = await navigator.mediaDevices.enumerateDevices();
    if (!devices.some(({ kind }) => kind === "audioinput")) {
      this.complain("NotFoundError");
      return false;
    }
    const permission = await navigator.permissions?.query({ name: "microphone" }).catch(() => null);
    if (permission?.state === "denied") {
      this.complain("NotAllowedError");
      return false;
    }
    clearBanner("microphone");
    return true;
  }

  complain(error) {
    const [message, repair] = MICROPHONE[error] ?? [`The microphone cannot be used (${error}).`, "Check the system's sound settings and start again."];
    banner("microphone", "error", message, repair);
  }

  fail(code, message, repair) {
    banner(code, "error", message, repair);
    this.end();
  }

  async start() {
    for (const code of ["path", "refused", "ended"]) clearBanner(code);
    this.set("asking");
    if (!(await this.check())) {
      this.set("idle");
      return;
    }
    let button = this.rtcButton();
    if (!button) {
      // FastRTC asks for the microphone first, and shows its call button once it has it.
      byId("wb-microphone")?.querySelector("button")?.click();
      button = await this.found(() => this.rtcButton());
    }
    if (this.state !== "asking") return;
    if (!button) {
      if (!says(MICROPHONE.NotAllowedError[0])) banner("microphone", "error", "The microphone did not answer.", "Look for a question of the browser, or reload the page.");
      this.set("idle");
      return;
    }
    this.set("connecting");
    this.timer = setTimeout(() => this.noPath(), CONNECT_WITHIN_MS);
    button.click();
  }

  rtcButton() {
    return byId("wb-microphone")?.querySelector("[aria-label='start stream']");
  }

  async found(look) {
    const until = performance.now() + FIND_BUTTON_WITHIN_MS;
    while (performance.now() < until && this.state === "asking") {
      const element = look();
      if (element) return element;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    return null;
  }

  microphone(error) {
    if (error === null) {
      clearBanner("microphone");
      // FastRTC opens the microphone once more when a call has ended.
      if (this.state === "idle" || this.state === "ending") queueMicrotask(() => window.workbench.releaseMicrophone());
      return;
    }
    this.complain(error);
    if (this.state !== "idle") this.end();
  }

  connection({ state, peer }) {
    if (state === "new") this.peer = peer;
    if (peer !== this.peer) return;
    if (state === "connected") {
      clearTimeout(this.timer);
      clearBanner("path");
      this.set("talking");
    } else if (state === "failed") this.noPath();
    else if (state === "closed" || state === "disconnected") this.end();
  }

  noPath() {
    if (this.state === "idle") return;
    banner("path", "error", ...NO_PATH);
    this.peer?.close();
    this.end();
  }

  /** The user's wish. */
  hangUp() {
    if (this.state === "talking") {
      this.set("ending");
      this.rtcButton()?.click();
    } else this.end();
  }

  /** Whoever ended it: nothing of the call is left. */
  end() {
    clearTimeout(this.timer);
    if (this.peer && this.peer.connectionState !== "closed") this.peer.close();
    window.workbench.releaseMicrophone();
    if (this.state !== "idle") this.set("idle");
  }

  /** FastRTC and Gradio speak in toasts, which the page hides: what no banner says yet becomes one. */
  watchToasts() {
    new MutationObserver(() => {
      for (const toast of document.querySelectorAll(".toast-body:not([data-seen])")) {
        toast.dataset.seen = "true";
        const text = toast.querySelector(".toast-text")?.textContent.trim() ?? "";
        if (text && !says(text) && !text.includes("Connection failed")) this.dispatchEvent(new CustomEvent("toast", { detail: text }));
      }
    }).observe(document.body, { childList: true, subtree: true });
  }
}
