// The audit of a talk: every decision with its reason and every tool with its fate, in order of session time.

import { ask } from "./ask.js";
import { byId, clock, make, ms, plain } from "./dom.js";

const LATEST = 100;

function decision(told) {
  const row = make(
    "li", "decision",
    make("time", "", clock(told.start_ms)),
    make("p", "", make("q", "", told.text), " ", make("b", "", plain(told.act)), told.tool && ` ${told.tool}`, told.tier && make("span", `tier ${told.tier}`, told.tier)),
    make("p", "why", told.reason),
  );
  row.dataset.act = told.act;
  return row;
}

function invocation(told) {
  const facts = [];
  if (told.arguments && Object.keys(told.arguments).length) facts.push(["arguments", JSON.stringify(told.arguments)]);
  if (told.latency_ms !== null) facts.push(["took", ms(told.latency_ms)]);
  if (told.error) facts.push(["because", told.error]);
  if (told.spoken) facts.push(["to be said", told.spoken]);
  if (told.delivered_how) facts.push(["delivered", `${told.delivered_how}, ${told.words_heard} of ${told.words_asked} words heard${told.interrupted ? ", cut off" : ""}`]);
  if (told.fidelity_wer !== null) facts.push(["word error rate", told.fidelity_wer.toFixed(2)]);
  if (told.words_before_result !== null) facts.push(["words before the result", String(told.words_before_result)]);
  const row = make(
    "li", "invocation",
    make("time", "", clock(told.start_ms)),
    make("p", "", make("b", "", told.action), " ", make("span", "status", told.status), told.tier && make("span", `tier ${told.tier}`, told.tier), make("span", "kind", told.agent)),
    make("dl", "", ...facts.map(([name, value]) => make("div", "", make("dt", "", name), make("dd", "", value)))),
  );
  row.dataset.status = told.status;
  return row;
}

export class Audit {
  constructor() {
    this.picked = byId("wb-audit-session");
    this.picked.addEventListener("change", () => {
      history.replaceState(null, "", `?session=${encodeURIComponent(this.picked.value)}`);
      this.show();
    });
    this.list();
  }

  async list() {
    const wanted = new URLSearchParams(location.search).get("session");
    try {
      const told = await ask(`/voice/sessions?all=true&limit=${LATEST}`);
      const options = told.sessions.map((one) => {
        const began = new Date(one.started_at).toLocaleString();
        return new Option(`${began}, ${one.persona ?? "?"} on ${one.engine ?? "?"}, ${one.tool_count} tools`, one.session_id);
      });
      if (wanted && !told.sessions.some((one) => one.session_id === wanted)) options.unshift(new Option(wanted, wanted));
      this.picked.replaceChildren(...options);
      this.picked.disabled = !options.length;
      if (!options.length) {
        this.say("No talk yet. Have one on the Talk page; what was decided in it is then here.");
        return;
      }
      if (wanted) this.picked.value = wanted;
      await this.show();
    } catch (error) {
      this.say(error.message);
    }
  }

  async show() {
    const session = this.picked.value;
    this.say("Reading");
    try {
      const told = await ask(`/voice/sessions/${encodeURIComponent(session)}`);
      // Another was picked meanwhile: a slow answer must not stand under its name.
      if (session !== this.picked.value) return;
      const rows = [
        ...told.decisions.map((one) => [one.start_ms, decision(one)]),
        ...told.tool_invocations.map((one) => [one.start_ms ?? 0, invocation(one)]),
      ].sort(([first], [second]) => first - second);
      if (rows.length) byId("wb-audit").replaceChildren(...rows.map(([, row]) => row));
      else this.say("Nothing was decided in this talk: no utterance of the user's was finished.");
    } catch (error) {
      if (session === this.picked.value) this.say(error.message);
    }
  }

  say(text) {
    byId("wb-audit").replaceChildren(make("li", "wb-none", text));
  }
}
