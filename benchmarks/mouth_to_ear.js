// Calls /webrtc/offer with the microphone, records the sent and the received track on one AudioContext, and gives both back.
async ({ seconds, settle }) => {
  const started = performance.now();
  const microphone = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 },
  });
  const pc = new RTCPeerConnection({ iceServers: [] });
  pc.createDataChannel("text");
  pc.addTrack(microphone.getAudioTracks()[0], microphone);
  const heard = new Promise((resolve) => (pc.ontrack = (event) => resolve(event.track)));
  await pc.setLocalDescription(await pc.createOffer());
  while (pc.iceGatheringState !== "complete") await new Promise((resolve) => setTimeout(resolve, 10));
  const answer = await fetch("/webrtc/offer", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sdp: pc.localDescription.sdp, type: "offer", webrtc_id: crypto.randomUUID() }),
  });
  await pc.setRemoteDescription(await answer.json());
  const remote = new MediaStream([await heard]);
  // Without an element that plays it, a remote track stays silent in WebAudio.
  const player = new Audio();
  player.srcObject = remote;
  await player.play();
  while (pc.connectionState !== "connected") {
    if (performance.now() - started > 20000) throw new Error(`not connected: ${pc.connectionState}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const connected = performance.now() - started;
  await new Promise((resolve) => setTimeout(resolve, settle * 1000));

  const context = new AudioContext({ sampleRate: 48000, latencyHint: "interactive" });
  await context.resume();
  const recorder = `registerProcessor("recorder", class extends AudioWorkletProcessor {
    constructor() { super(); this.tracks = [[], []]; this.port.onmessage = () => this.port.postMessage(this.tracks); }
    process(inputs) {
      inputs.forEach((input, at) => this.tracks[at].push(input[0] ? input[0].slice() : new Float32Array(128)));
      return true;
    }
  });`;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([recorder], { type: "text/javascript" })));
  const node = new AudioWorkletNode(context, "recorder", { numberOfInputs: 2, numberOfOutputs: 1 });
  context.createMediaStreamSource(new MediaStream([pc.getSenders()[0].track])).connect(node, 0, 0);
  context.createMediaStreamSource(remote).connect(node, 0, 1);
  node.connect(context.destination);
  const inbound = async () => [...(await pc.getStats()).values()].find((report) => report.type === "inbound-rtp");
  const before = await inbound();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const after = await inbound();
  const tracks = await new Promise((resolve) => {
    node.port.onmessage = (event) => resolve(event.data);
    node.port.postMessage("give");
  });
  const base64 = (blocks) => {
    const samples = new Int16Array(blocks.length * 128);
    blocks.forEach((block, at) => block.forEach((x, i) => (samples[at * 128 + i] = Math.max(-1, Math.min(1, x)) * 32767)));
    const bytes = new Uint8Array(samples.buffer);
    let text = "";
    for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
    return btoa(text);
  };
  const grown = (name) => after[name] - before[name];
  const result = {
    sent: base64(tracks[0]),
    received: base64(tracks[1]),
    connect_ms: connected,
    jitter_buffer_ms: (1000 * grown("jitterBufferDelay")) / grown("jitterBufferEmittedCount"),
    concealed: grown("concealedSamples") / grown("jitterBufferEmittedCount"),
    lost: grown("packetsLost"),
  };
  await context.close();
  pc.close();
  microphone.getTracks().forEach((track) => track.stop());
  return result;
}
