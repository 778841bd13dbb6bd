// What needs a hand, worst first: faults, printers that wait, parts to take off, beds to look at, machines and nodes that are silent.

import { ask, Problem } from "./api.js";
import { complain, icon, make, mark, say } from "./dom.js";
import { farm, isNoted } from "./live.js";
import { isSilent, nodeName, silence } from "./nodes.js";
import { questionPlace } from "./prompts.js";
import { language, told, word } from "./words.js";

const URGENCY = { fault: 0, recalled: 0, attention: 1, collect: 2, clear: 3, offline: 4, silent: 5 };
const ICONS = { fault: "fault", recalled: "attention", attention: "attention", collect: "collect", clear: "bed", offline: "offline", silent: "node" };

export function hands() {
  const items = [];
  const collecting = new Set();
  for (const printer of farm.printers.values()) {
    const on = printer.occupation;
    if (printer.fault) items.push({ kind: "fault", key: `fault-${printer.id}`, printer });
    if (printer.prompt) items.push({ kind: "attention", key: `prompt-${printer.id}-${printer.prompt.id}`, printer, prompt: printer.prompt });
    else if (printer.state === "attention" && !printer.fault) items.push({ kind: "attention", key: `attention-${printer.id}`, printer });
    if (on?.recalled && on.running) items.push({ kind: "recalled", key: `recalled-${on.id}`, printer });
    if (on && !on.running && !isNoted(printer)) {
      if (on.job) {
        collecting.add(on.job);
        items.push({ kind: "collect", key: `collect-${on.job}`, printer, job: on.job, parts: on.good_at_most, outcome: on.outcome, recalled: on.recalled });
      } else items.push({ kind: "clear", key: `clear-${on.id}`, printer, occupation: on });
    }
    const node = farm.nodes.get(printer.node);
    if (printer.state === "offline" && node?.online && !node.not_known && !printer.fault) items.push({ kind: "offline", key: `offline-${printer.id}`, printer });
  }
  for (const job of farm.waiting.values()) {
    const printer = farm.printers.get(job.printer);
    if (!collecting.has(job.id) && printer)
      items.push({ kind: "collect", key: `collect-${job.id}`, printer, job: job.id, parts: job.parts, outcome: job.outcome, recalled: job.recalled });
  }
  for (const node of farm.nodes.values())
    if (isSilent(node)) items.push({ kind: "silent", key: `silent-${node.id}`, node });
  return items.sort((a, b) => urgency(a) - urgency(b) || nameOf(a).localeCompare(nameOf(b)));
}

// A fault that goes away by itself waits behind everything that needs a hand now.
const urgency = (item) => (item.kind === "fault" && item.printer.fault.recovery === "by-itself" ? URGENCY.offline : URGENCY[item.kind]);

const nameOf = (item) => item.printer?.name ?? nodeName(item.node);

// Why a job ended as it did. That it was cancelled is said already.
function detailOf(id) {
  const job = farm.waiting.get(id);
  if (job?.outcome === "cancelled" && job.detail_code === "cancelled") return "";
  return job ? told(job, "detail") : "";
}

// What has French is ours, and no machine's word.
const sayingOf = (thing, field) => (thing[`${field}_fr`] ? { why: told(thing, field) } : { says: told(thing, field) });

function texts(item) {
  const { printer } = item;
  if (item.kind === "fault") {
    const fault = printer.fault;
    const meaning = fault[`meaning_${language()}`] || fault.meaning_en || fault.text;
    const action = fault[`action_${language()}`] || fault.action_en;
    const what = [action, recovery(fault)].filter(Boolean).join(" ");
    return { title: meaning, what, ...(told(fault, "text") === meaning ? {} : sayingOf(fault, "text")) };
  }
  if (item.prompt) return { title: word("prompt_title"), what: word("prompt"), ...sayingOf(item.prompt, "text") };
  if (item.kind === "attention") return { title: word("attention_title"), what: word("attention"), ...sayingOf(printer, "note") };
  if (item.kind === "recalled") return { title: word("recalled_title"), what: word("recalled_running"), says: "" };
  if (item.kind === "collect" && item.recalled) return { title: word("recalled_title"), what: word("recalled_collect"), says: "" };
  if (item.kind === "collect") {
    const bad = item.outcome && item.outcome !== "printed";
    return { title: word("collect_title"), what: bad ? word("collect_bad", { outcome: word(`outcome_${item.outcome}`) }) : "", why: bad ? detailOf(item.job) : "" };
  }
  if (item.kind === "clear") {
    const kind = item.occupation.kind === "foreign" ? "foreign" : "unknown";
    return { title: word(`clear_title_${kind}`), what: word(`clear_${kind}`), says: "" };
  }
  if (item.kind === "offline") return { title: word("offline_title"), what: word("offline"), ...sayingOf(printer, "note") };
  return { title: silence(item.node), what: word("silent"), says: "" };
}

// What it takes until the printer prints again; an older node does not say.
export const recovery = (fault) => (["by-itself", "by-hand", "never"].includes(fault.recovery) ? word(`recovery_${fault.recovery.replace("-", "_")}`) : "");

export function handItem(item) {
  const name = make("strong", { class: "hand-name" });
  const title = make("span", { class: "hand-title" });
  const what = make("p", { class: "hand-what" });
  const says = make("p", { class: "hand-says" });
  const said = make("p", { class: "said", role: "status" });
  const element = make(
    "li", { class: `hand ${item.kind}`, "data-key": item.key },
    icon(ICONS[item.kind]),
    make("div", { class: "hand-text" }, make("p", { class: "hand-head" }, name, title), what, says),
    actions(item, said), said,
  );
  const update = (now) => {
    const text = texts(now);
    say(name, nameOf(now));
    say(title, text.title);
    const off = farm.fence && (now.kind === "collect" || now.kind === "clear");
    say(what, off ? word("fence_button") : text.what);
    say(says, text.says ? word("machine_says", { text: text.says }) : (text.why ?? ""));
  };
  return { element, update };
}

function actions(item, said) {
  if (item.kind === "collect") return collectForm(item, said);
  if (item.kind === "clear") return clearForm(item, said);
  return item.prompt ? answers(item.printer) : null;
}

function answers(printer) {
  const place = questionPlace({ withText: false });
  place.update(printer);
  return place.element;
}

async function send(form, said, path, body, thanks) {
  const button = form.querySelector("button");
  mark(button, "disabled", true);
  mark(said, "data-bad", null);
  try {
    await ask("POST", path, body);
    say(said, thanks);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    complain(said, error.problem);
    button.removeAttribute("disabled");
  }
}

function numberInput(id, value, max, label) {
  const input = make("input", { id, type: "number", inputmode: "numeric", min: 0, max, value, required: true });
  return { input, field: make("div", { class: "field" }, make("label", { for: id }, label), input) };
}

function collectForm(item, said) {
  const usable = item.recalled || (item.outcome && item.outcome !== "printed") ? 0 : item.parts;
  const good = numberInput(`good-${item.job}`, usable, item.parts, word("good"));
  const scrap = numberInput(`scrap-${item.job}`, item.parts - usable, item.parts, word("scrap"));
  // What is not good is scrap, unless a person says otherwise.
  let followed = true;
  good.input.addEventListener("input", () => {
    if (followed && good.input.validity.valid) scrap.input.value = item.parts - good.input.valueAsNumber;
  });
  scrap.input.addEventListener("input", () => { followed = false; });
  const form = make(
    "form", {
      class: "hand-actions",
      onsubmit: (event) => {
        event.preventDefault();
        const body = { job: item.job, good: good.input.valueAsNumber, scrap: scrap.input.valueAsNumber };
        send(form, said, `/printers/${encodeURIComponent(item.printer.id)}/collect`, body, word("collect_sent"));
      },
    },
    good.field, scrap.field, make("button", { type: "submit", class: "primary" }, word("collect")),
  );
  return form;
}

function clearForm(item, said) {
  const form = make(
    "form", {
      class: "hand-actions",
      onsubmit: (event) => {
        event.preventDefault();
        send(form, said, `/printers/${encodeURIComponent(item.printer.id)}/clear-bed`, { occupation: item.occupation.id }, word("clear_sent"));
      },
    },
    make("button", { type: "submit", class: "primary" }, word("clear")),
  );
  return form;
}
