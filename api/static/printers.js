// One card for each printer.

import { ask, Problem } from "./api.js";
import { confirmed } from "./confirm.js";
import { complain, draw, icon, make, mark, say } from "./dom.js";
import { recovery } from "./hands.js";
import { farm, isNoted } from "./live.js";
import { questionPlace } from "./prompts.js";
import { counted, duration, noted, sentence, word } from "./words.js";

const ICONS = {
  offline: "offline", connecting: "working", idle: "idle", preparing: "working", printing: "printing", paused: "paused",
  attention: "attention", finishing: "working", fault: "fault", foreign: "foreign",
};
const RUNNING = new Set(["preparing", "printing", "paused", "attention", "finishing"]);

const CALM = new Set(["nothing-to-do", "printing", "has-allocation"]); // reasons with which nothing is wrong

const stateOf = (printer) => (printer.online ? printer.state : "offline");
const isKnown = (printer) => !farm.nodes.get(printer.node)?.not_known;

function heat(actual, target) {
  if (actual === null) return "";
  const values = { actual: Math.round(actual), target: Math.round(target ?? 0) };
  return word(target ? "heat_on" : "heat_off", values);
}

function reading(label) {
  const value = make("dd");
  const element = make("div", { class: "reading" }, make("dt", {}, label), value);
  return { element, set: (text) => { say(value, text); mark(element, "hidden", text ? null : ""); } };
}

function about(printer) {
  const order = printer.order ? farm.orders.get(printer.order) : null;
  const parts = [order?.revision, order?.destination, printer.occupation?.running ? "" : bedOf(printer)];
  if (printer.jobs_left > 0) parts.push(counted("jobs_left", printer.jobs_left));
  return parts.filter(Boolean).join(" · ");
}

const bedOf = (printer) => word(isNoted(printer) ? "bed_state_noted" : `bed_state_${printer.bed}`);

function noteOf(printer) {
  if (!printer.note || printer.prompt?.text.includes(printer.note)) return ""; // its question says it
  return printer.driver === "manual" && ["offered", "accepted"].includes(printer.note) ? word(`manual_${printer.note}`) : noted(printer);
}

// Why it does not start a job; of a printer that nobody hears, nothing is said as if it were so now.
function reasonsOf(printer, state) {
  if (state !== "offline" && RUNNING.has(state) && printer.occupation?.running) return { text: noteOf(printer), calm: printer.driver === "manual" };
  const reasons = printer.why_not.filter((reason) => state !== "offline" || reason.code !== "printing");
  const texts = reasons.map(sentence);
  if (state === "fault" && printer.fault) texts.push(recovery(printer.fault));
  if (state === "offline" && printer.occupation?.running) texts.push(word("was_printing"));
  return { text: texts.filter(Boolean).join(" "), calm: state === "offline" || reasons.every((reason) => CALM.has(reason.code)) };
}

export function printerCard(printer) {
  const name = make("h3");
  const stateIcon = icon(ICONS[printer.state]);
  const stateWord = make("span");
  const progress = make("progress", { max: 1 });
  const percent = make("span", { class: "percent" });
  const left = make("span", { class: "left" });
  const work = make("div", { class: "work" }, progress, make("p", { class: "work-text" }, percent, left));
  const readings = [reading(word("nozzle")), reading(word("bed"))];
  const job = make("p", { class: "about" });
  const reasons = make("p", { class: "reasons" });
  const kind = make("p", { class: "kind" });
  const question = questionPlace({ withText: true });
  const menu = controls(printer.id);
  const element = make(
    "li", { class: "printer", "data-printer": printer.id },
    make("header", {}, name, make("p", { class: "state" }, stateIcon, stateWord)),
    work, make("dl", { class: "readings" }, ...readings.map((row) => row.element)), job, reasons, question.element, kind, menu.element,
  );
  const update = (now) => {
    const state = stateOf(now);
    mark(element, "data-state", state);
    say(name, now.name);
    draw(stateIcon, ICONS[state]);
    say(stateWord, word(state === "offline" && !isKnown(now) ? "state_unknown" : `state_${state}`));
    const heard = state !== "offline";
    const running = RUNNING.has(state) && now.progress !== null;
    mark(work, "hidden", running ? null : "");
    progress.value = now.progress ?? 0;
    mark(progress, "aria-label", word("progress_of", { name: now.name }));
    say(percent, `${Math.floor((now.progress ?? 0) * 100)} %`);
    say(left, now.remaining_s === null ? "" : word("remaining", { time: duration(now.remaining_s) }));
    readings[0].set(heard ? heat(now.nozzle_c, now.nozzle_target_c) : "");
    readings[1].set(heard ? heat(now.bed_c, now.bed_target_c) : "");
    say(job, about(now));
    const why = reasonsOf(now, state);
    say(reasons, why.text);
    mark(reasons, "data-calm", why.calm ? "" : null);
    say(kind, `${now.profile} · ${now.material} · ${now.nozzle_mm} mm`);
    question.update(now);
    menu.update(now);
  };
  return { element, update };
}

// Pause, resume, cancel and emergency stop: away from stray thumbs, and asking before what cannot be taken back.
function controls(id) {
  const said = make("p", { class: "said", role: "status" });
  const current = () => farm.printers.get(id);
  const act = async (path, body) => {
    mark(said, "data-bad", null);
    try {
      await ask("POST", path, body);
      say(said, word("sent"));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      complain(said, error.problem);
    }
  };
  const jobAction = (action) => async () => {
    const printer = current();
    const job = printer?.occupation?.job;
    if (!job) return;
    if (action === "cancel" && !(await confirmed(word("cancel_job_ask", { name: printer.name }), word("cancel_job")))) return;
    await act(`/jobs/${encodeURIComponent(job)}/command`, { action });
  };
  const stop = async () => {
    const printer = current();
    if (printer && (await confirmed(word("stop_ask", { name: printer.name }), word("stop"))))
      await act(`/printers/${encodeURIComponent(id)}/emergency-stop`);
  };
  const button = (key, action, kind = "quiet") => make("button", { type: "button", class: kind, onclick: action }, word(key));
  const pause = button("pause", jobAction("pause"));
  const resume = button("resume", jobAction("resume"));
  const cancel = button("cancel_job", jobAction("cancel"));
  const halt = button("stop", stop, "danger");
  const summary = make("summary", {}, "⋯");
  const element = make("details", { class: "controls" }, summary, make("div", { class: "buttons" }, pause, resume, cancel, halt), said);
  const update = (now) => {
    const can = (name) => now.online && now.capabilities.includes(name);
    const ours = now.occupation?.running && now.occupation.job;
    mark(summary, "aria-label", word("controls", { name: now.name }));
    mark(pause, "hidden", ours && now.state === "printing" && can("pause") ? null : "");
    mark(resume, "hidden", ours && now.state === "paused" && can("pause") ? null : "");
    mark(cancel, "hidden", ours && can("cancel") ? null : "");
    mark(halt, "hidden", can("emergency-stop") ? null : "");
    mark(element, "hidden", now.online && (ours || can("emergency-stop")) ? null : "");
  };
  return { element, update };
}
