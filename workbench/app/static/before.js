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
    chosen: () => {},
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

  // FastRTC shows no reason when the server refuses a call (HTTP 200, `status: failed`).
  const nativeFetch = window.fetch.bind(window);
  window.fetch = async (resource, options) => {
    const answer = await nativeFetch(resource, options);
    const url = typeof resource === "string" ? resource : (resource.url ?? String(resource));
    if (url.includes("/component_server")) {
      const said = await answer.clone().json().catch(() => null);
      if (said?.status === "failed") tell("refused", said.meta ?? {});
    }
    return answer;
  };
})();
