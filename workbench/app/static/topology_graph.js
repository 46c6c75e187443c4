// The API's answer as nodes and edges. A figure that nobody told is null here and "unknown" on the page.

import { ms, plain } from "./dom.js";

const WAYS = { webrtc: "Browser, spoken", page: "Browser, written", websocket: "WebSocket", http: "HTTP, written" };
const ALWAYS = ["webrtc", "websocket", "http"];
const BREAKERS = { closed: "closed: asked as usual", open: "open: not asked, it failed too often", half_open: "half open: one call may try" };
const count = (number, one, more = `${one}s`) => `${number} ${number === 1 ? one : more}`;
const gib = (mib) => `${(mib / 1024).toFixed(1)} GiB`;

function people(told) {
  const users = [...new Set(told.talks.map((talk) => talk.user))];
  return users.map((user) => ({
    id: `user:${user}`, layer: "people", title: user || "Unnamed", state: "ready", now: "",
    facts: [["talks", String(told.talks.filter((talk) => talk.user === user).length)]],
  }));
}

function ways(told) {
  const used = told.talks.map((talk) => talk.transport);
  return [...new Set([...ALWAYS, ...used])].map((way) => {
    const talks = used.filter((one) => one === way).length;
    return { id: `way:${way}`, layer: "ways", title: WAYS[way] ?? way, state: talks ? "ready" : "idle", now: "", facts: [["talks", String(talks)]] };
  });
}

function talk(told, frameMs) {
  return {
    id: `talk:${told.session_id}`, layer: "talks", title: told.persona, state: "ready", now: told.engine, session: told.session_id,
    facts: [["turns", told.turns], ["tools", told.tools], ["minutes", told.minutes.toFixed(1)], ...(told.gateway ? [["gateway", told.gateway]] : [])],
    gauges: told.step_ms === null ? [] : [step("step", told.step_ms, frameMs)],
  };
}

/** A talk that another process holds: it can be read here and ended there. */
function elsewhere(told) {
  return {
    id: `talk:${told.session_id}`, layer: "talks", title: told.persona, state: "ready", now: told.engine ?? "", why: `Held by ${told.held_by}; it can be ended there.`,
    facts: [["turns", told.turns], ["tools", told.tools], ["minutes", told.minutes.toFixed(1)]], link: [`/sessions/?session=${encodeURIComponent(told.session_id)}`, "Read it"],
  };
}

const step = (title, value, frameMs) => ({ title, value, most: frameMs, told: value === null ? null : `${ms(value)} of ${frameMs} ms`, late: value > frameMs });

function engine([name, told]) {
  const facts = [];
  // An engine of the server's own process is ready without one.
  if (told.handshake_ms !== null || told.state !== "ready") facts.push(["handshake", told.handshake_ms === null ? null : ms(told.handshake_ms)]);
  if (told.capacity !== null) facts.push(["places", `${told.in_use ?? "unknown"} of ${told.capacity} taken`]);
  return { id: `engine:${name}`, layer: "engines", title: name, state: told.state, why: told.reason, repair: told.repair, facts };
}

/** The engines; those that talks use are there too when the engines did not answer. */
function engines(told) {
  if (told.engines) {
    const found = Object.entries(told.engines).map(engine);
    if (told.talks.some((talk) => talk.engine === "text")) found.push({ id: "engine:text", layer: "engines", title: "text", state: "ready", why: "Written talks: the bridge and the responder answer.", facts: [] });
    return found;
  }
  const used = [...new Set(told.talks.map((one) => one.engine))];
  return (used.length ? used : ["engines"]).map((name) => ({ id: `engine:${name}`, layer: "engines", title: name, state: "unknown", why: told.unknown.engines, facts: [] }));
}

function gateway(told) {
  const engineTold = told.engines?.personaplex;
  const load = engineTold?.load;
  const made = { id: "gateway", layer: "gateway", title: "gateway", facts: [] };
  if (!load) {
    return { ...made, state: "unknown", why: engineTold ? engineTold.reason : told.unknown.engines ?? "", repair: engineTold?.repair, facts: [["places", null], ["step", null]] };
  }
  const measured = load.step_n > 0;
  return {
    ...made, state: engineTold.state, why: `${load.model} on ${load.device}`,
    slots: { taken: engineTold.in_use, most: engineTold.capacity },
    // Behind a balancer the places are those of all gateways, and the step is of the one that answered.
    facts: [["waiting", String(load.waiting)], ...(load.gateways ? [["gateways", String(load.gateways)], ["asked", load.instance]] : [])],
    gauges: measured
      ? [step(`step p50, n = ${load.step_n}`, load.step_p50_ms, told.frame_ms), step("step p95", load.step_p95_ms, told.frame_ms)]
      : [step("step, tried at start", load.trial_step_ms, told.frame_ms)],
  };
}

function memory(id, title, used, total, why) {
  if (used === null || used === undefined) return { id, layer: "gateway", title, state: "unknown", why, facts: [["memory", null]] };
  return { id, layer: "gateway", title, state: "ready", facts: [], gauges: [{ title: "memory", value: used, most: total, told: `${gib(used)} of ${gib(total)}` }] };
}

/** The gateway's device where it tells of one, else those of this machine. */
function gpus(told) {
  const load = told.engines?.personaplex?.load;
  if (load && load.memory_total_mib !== null) return [memory("gpu:gateway", `GPU of the gateway`, load.memory_used_mib, load.memory_total_mib)];
  if (!told.gpus) return [memory("gpu:0", "GPU", null, null, told.unknown.gpus)];
  return told.gpus.map((gpu, number) => memory(`gpu:${number}`, gpu.name, gpu.used_mib, gpu.total_mib));
}

function speech(told) {
  const [voice, ...spare] = told.tts;
  const after = spare.length ? [["after it", spare.map((one) => one.name).join(", ")]] : [];
  const facts = [["hears now", count(told.asr.sessions, "talk")], ["restarts", String(told.asr.restarts)]];
  const found = [{ id: "asr", layer: "speech", title: told.asr.name, now: "ears", state: told.asr.sessions ? "ready" : "idle", why: told.asr.why, facts }];
  if (voice) found.push({ id: "tts", layer: "speech", title: voice.name, now: "voice", state: "ready", why: voice.why, facts: after });
  return found;
}

function provider(told) {
  const { calls } = told;
  const facts = [["tools", String(told.tools.length)]];
  if (told.kind !== "local") facts.push(["answered in", told.latency_ms === null ? null : ms(told.latency_ms)]);
  if (calls) facts.push(["breaker", BREAKERS[calls.breaker]], ["calls", `${calls.calls}, ${calls.failures} failed`]);
  const made = { id: `provider:${told.name}`, layer: "providers", title: told.name, now: told.ready ? told.kind : `${told.kind}, not ready`, state: told.ready ? "ready" : "unavailable", facts };
  if (calls) made.breaker = calls.breaker;
  return told.ready ? made : { ...made, why: told.reason, repair: told.repair };
}

function providers(told) {
  if (told.providers) return told.providers.map(provider);
  return [{ id: "provider:unknown", layer: "providers", title: "providers", state: "unknown", why: told.unknown.providers, facts: [["breaker", null]] }];
}

function bridge(told) {
  const tools = told.providers ? told.providers.filter((one) => one.ready).reduce((sum, one) => sum + one.tools.length, 0) : null;
  return { id: "bridge", layer: "bridge", title: "bridge", state: told.providers ? "ready" : "unknown", facts: [["tools that can be asked", tools]] };
}

function store(told) {
  const { failure, lost_rows: lost, read_ms: read, waiting_rows: waiting } = told.store;
  const state = failure ? "unavailable" : read === null ? "unknown" : "ready";
  const facts = [["lag", `${count(waiting, "row")} not committed`], ["read", read === null ? null : ms(read)], ["lost", count(lost, "row")]];
  return { id: "store", layer: "store", title: "store", state, why: failure ?? told.unknown.totals, facts };
}

/** What is connected with what, and of what kind; `talks` stands for all of them together. */
function edges(told, found) {
  const made = [];
  for (const one of told.talks) {
    const id = `talk:${one.session_id}`;
    made.push([`user:${one.user}`, `way:${one.transport}`, "user"], [`way:${one.transport}`, id, "user"], [id, `engine:${one.engine}`, "agent"]);
  }
  const busy = told.talks.length > 0;
  const spoken = told.asr.sessions > 0;
  made.push(["talks", "asr", "speech", spoken], ["talks", "tts", "speech", spoken], ["talks", "bridge", "tool", busy], ["talks", "store", "store", busy]);
  const personaplex = told.talks.some((one) => one.engine === "personaplex");
  made.push(["engine:personaplex", "gateway", "agent", personaplex]);
  for (const { id } of found.filter((one) => one.id.startsWith("gpu:"))) made.push(["gateway", id, "agent", personaplex]);
  for (const one of found.filter((node) => node.layer === "providers")) made.push(["bridge", one.id, "tool", busy && one.state === "ready"]);
  const seen = new Set();
  return made
    .map(([from, to, kind, live = true]) => ({ from, to, kind, live, key: plain(`${from} ${to}`) }))
    .filter((edge) => !seen.has(edge.key) && seen.add(edge.key));
}

export function nodes(told) {
  const talks = told.talks.map((one) => talk(one, told.frame_ms));
  if (!talks.length) talks.push({ id: "nobody", layer: "talks", title: "Nobody talks just now", state: "idle", facts: [], link: ["/", "Have a talk"] });
  talks.push(...(told.elsewhere ?? []).map(elsewhere));
  const found = [...people(told), ...ways(told), ...talks, ...engines(told), gateway(told), ...gpus(told), ...speech(told), bridge(told), ...providers(told), store(told)];
  if (!told.talks.length) found.unshift({ id: "user:none", layer: "people", title: "Nobody", state: "idle", facts: [] });
  return { nodes: found, edges: edges(told, found) };
}
