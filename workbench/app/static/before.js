// Runs before Gradio and FastRTC. Watches the microphone and the connection from outside, and tells `workbench.calls` what happens there.
"use strict";

(() => {
  const calls = new EventTarget();
  const streams = new Set();
  const tell = (name, detail) => calls.dispatchEvent(new CustomEvent(name, { detail }));

  const randomId = () =>
    Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

  window.workbench = {
    visitor: randomId(),
    calls,
    choices: {},
    // Gradio's side of the page: called with everything that is chosen when it has built the page, then with every change.
    remember(choices) {
      Object.assign(this.choices, choices);
      tell("chosen", choices);
      return this.visitor;
    },
    // FastRTC leaves microphone streams open after a call; the browser would go on showing that it listens.
    releaseMicrophone() {
      for (const stream of streams) for (const track of stream.getTracks()) track.stop();
      streams.clear();
    },
  };

  if (window.RTCPeerConnection) {
    window.RTCPeerConnection = class extends window.RTCPeerConnection {
      constructor(...settings) {
        super(...settings);
        tell("connection", { state: "new", peer: this });
        this.addEventListener("connectionstatechange", () => tell("connection", { state: this.connectionState, peer: this }));
      }

      close() {
        super.close();
        // The browser fires no event for a close of one's own.
        tell("connection", { state: "closed", peer: this });
      }
    };
  }

  if (navigator.mediaDevices?.getUserMedia) {
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      try {
        const stream = await ask(wanted);
        streams.add(stream);
        tell("microphone", { error: null });
        return stream;
      } catch (error) {
        tell("microphone", { error: error.name });
        throw error;
      }
    };
  }

  // FastRTC fetches a sound effect from another host; the page's policy forbids that.
  const NativeAudio = window.Audio;
  window.Audio = function Audio(source) {
    const outside = source !== undefined && new URL(source, location.href).origin !== location.origin;
    return outside ? new NativeAudio() : new NativeAudio(source);
  };
  window.Audio.prototype = NativeAudio.prototype;

  // Two faults of FastRTC's signalling. Its ICE candidates race its offer, and the server forgets those of a call it does not know yet:
  // they wait here for the answer. And a refused call (HTTP 200, `status: failed`) is shown without its reason.
  const nativeFetch = window.fetch.bind(window);
  let offered = Promise.resolve();
  window.fetch = async (resource, options) => {
    const signal = signalOf(resource, options);
    if (signal === "ice-candidate") await offered;
    const answering = nativeFetch(resource, options);
    if (signal !== "offer") return answering;
    offered = answering.catch(() => null);
    const answer = await answering;
    const said = await answer.clone().json().catch(() => null);
    if (said?.status === "failed") tell("refused", said.meta ?? {});
    return answer;
  };

  /** `offer` or `ice-candidate` for a message of FastRTC's, else null. */
  function signalOf(resource, options) {
    const url = typeof resource === "string" ? resource : (resource.url ?? String(resource));
    if (!url.includes("/component_server") || typeof options?.body !== "string") return null;
    return JSON.parse(options.body).data?.type ?? null;
  }
})();
