// The page of one node: asks how things stand every two seconds and touches only what is different, so that nothing flickers and
// nothing that a hand is about to press moves away. Every action names the job or the occupation that was seen.

import { changeLanguage, counted, language, lasting, word } from "./words.js";

const EVERY_MS = 2000;
const TOKEN = "node-page-token";
const SIGNS = {
  offline: "✕", connecting: "…", idle: "○", preparing: "◔", printing: "▶", paused: "‖", attention: "!", finishing: "◕",
  fault: "⚠", foreign: "◆",
};
const BUSY = ["preparing", "printing", "paused", "attention", "finishing"];
const find = (id) => document.getElementById(id);

// --- small tools: text is always set as text

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function show(element, wanted) {
  if (element.hidden === wanted) element.hidden = !wanted;
}

function put(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function make(tag, name, parent) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (tag === "button") element.type = "button";
  parent.append(element);
  return element;
}

// --- the agent

let token = takeToken();
let newest = null;
let newestAt = null;
let asking = null;

// The token comes in the fragment, which no server and no log sees; it does not stay in the address bar.
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  try {
    if (given) localStorage.setItem(TOKEN, given);
    if (given) history.replaceState(null, "", location.pathname);
    return given ?? localStorage.getItem(TOKEN);
  } catch {
    return given;
  }
}

async function ask(method, path, body) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body) headers["Content-Type"] = "application/json";
  const waits = AbortSignal.timeout(method === "GET" ? 8000 : 95000);
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal: waits });
  const content = await answer.json();
  if (answer.ok) return content;
  throw Object.assign(new Error(content.code), { problem: content });
}

function refusal(error) {
  const problem = error.problem;
  if (!problem) return word("failed");
  if (problem.code === "wrong-host") return word("wrong_host");
  const told = language() === "fr" ? [problem.detail_fr, problem.next_step_fr] : [problem.detail, problem.next_step];
  return told.filter(Boolean).join(" ") || problem.code;
}

async function look() {
  clearTimeout(asking);
  try {
    take(await ask("GET", "/api/state"));
  } catch (error) {
    missed(error);
  }
  asking = setTimeout(look, EVERY_MS);
}

function take(state) {
  newest = state;
  newestAt = new Date();
  show(find("lost"), false);
  show(find("sign-in"), false);
  draw();
}

function missed(error) {
  const code = error.problem?.code;
  if (code === "token-needed") {
    show(find("lost"), false);
    show(find("sign-in"), true);
    put(find("token-said"), "data-bad", "yes");
    say(find("token-said"), token ? word("token_wrong") : "");
    return;
  }
  const time = newestAt ? newestAt.toLocaleTimeString(language()) : "–";
  say(find("lost"), code ? refusal(error) : word("lost", { time }));
  show(find("lost"), true);
}

// One action at a time for each button; the answer is how things stand afterwards.
async function act(button, path, body, place, done) {
  if (button.dataset.busy) return;
  button.dataset.busy = "yes";
  button.setAttribute("aria-disabled", "true");
  try {
    take(await ask("POST", path, body));
    delete place.dataset.bad;
    say(place, done);
  } catch (error) {
    place.dataset.bad = "yes";
    say(place, refusal(error));
  } finally {
    delete button.dataset.busy;
    button.removeAttribute("aria-disabled");
  }
}

function sure(question, yes) {
  const dialog = find("ask");
  say(find("ask-text"), question);
  say(find("ask-yes"), yes);
  return new Promise((resolve) => {
    const end = (answer) => {
      find("ask-yes").onclick = find("ask-no").onclick = dialog.onclose = null;
      if (dialog.open) dialog.close();
      resolve(answer);
    };
    find("ask-yes").onclick = () => end(true);
    find("ask-no").onclick = () => end(false);
    dialog.onclose = () => end(false);
    dialog.showModal();
    find("ask-no").focus();
  });
}

// --- the farm and the disk

function drawFarm(farm) {
  const late = farm.contact_age_s === null || farm.contact_age_s > 3 * farm.report_every_s;
  const cut = late || farm.by_person || !farm.online;
  show(find("farm"), true);
  put(find("farm"), "data-cut", String(cut));
  say(find("farm-title"), farmTitle(farm, cut));
  say(find("farm-text"), cut ? farmText(farm) : word("contact_text"));
  say(find("untold"), cut && farm.untold ? counted("untold", farm.untold) : "");
  show(find("go-on"), cut && farm.waiting > 0 && !(farm.goes_on_s > 0 && farm.contact_age_s < 600));
  say(find("go-on-text"), word("go_on_text", { time: lasting(farm.would_go_on_s ?? 0) }));
}

function farmTitle(farm, cut) {
  if (!cut) return word("contact");
  if (farm.contact_age_s === null) return word("cut_never");
  return word(farm.by_person ? "person" : "cut", { time: lasting(farm.contact_age_s) });
}

function farmText(farm) {
  if (!farm.waiting) return word("goes_nothing");
  const jobs = counted("jobs", farm.waiting);
  return farm.goes_on_s > 0 ? word("goes_on", { time: lasting(farm.goes_on_s), jobs }) : word("goes_not_on", { jobs });
}

function drawDisk(disk) {
  show(find("disk"), !disk.writable || disk.nearly_full);
  say(find("disk"), word(disk.writable ? "disk_nearly_full" : "disk_full"));
}

function drawLimits(trouble) {
  const fr = language() === "fr";
  show(find("limits"), Boolean(trouble));
  say(find("limits"), trouble ? word("limits_wrong", { why: fr ? trouble.fr : trouble.en }) : "");
}

// --- printers

const cards = new Map();

function draw() {
  if (!newest) return;
  say(find("name"), newest.name);
  if (document.title !== newest.name) document.title = newest.name;
  drawDisk(newest.disk);
  drawLimits(newest.limits_trouble);
  drawFarm(newest.farm);
  show(find("none"), newest.printers.length === 0);
  const list = find("printers");
  const there = new Set(newest.printers.map((printer) => printer.id));
  for (const [id, card] of cards) if (!there.has(id)) (card.element.remove(), cards.delete(id));
  newest.printers.forEach((printer, place) => {
    if (!cards.has(printer.id)) cards.set(printer.id, newCard());
    const card = cards.get(printer.id);
    if (list.children[place] !== card.element) list.insertBefore(card.element, list.children[place] ?? null);
    drawPrinter(card, printer);
  });
}

function newCard() {
  const element = document.createElement("li");
  element.className = "printer";
  const head = make("div", "head", element);
  const card = { element, title: make("h3", "", head), state: make("p", "state", head), bed: make("p", "bed", head) };
  card.sign = make("span", "sign", card.state);
  card.sign.setAttribute("aria-hidden", "true");
  card.stateText = make("span", "", card.state);
  card.progress = make("progress", "", element);
  card.progress.max = 1;
  card.left = make("p", "muted left", element);
  card.fault = make("p", "bad fault", element);
  card.reason = make("p", "reason", element);
  card.refused = make("p", "muted refused", element);
  card.job = make("p", "muted job", element);
  card.question = make("div", "question", element);
  card.hand = make("div", "hand", element);
  card.said = make("p", "said", element);
  card.said.setAttribute("role", "status");
  card.machine = make("div", "buttons machine", element);
  for (const kind of ["pause", "resume", "cancel"]) card[kind] = machineButton(card, kind);
  card.stop = make("button", "danger", card.machine);
  card.stop.onclick = () => stop(card);
  return card;
}

function machineButton(card, kind) {
  const button = make("button", kind === "cancel" ? "danger" : "", card.machine);
  button.onclick = async () => {
    const { id, name, occupation } = card.printer;
    if (kind === "cancel" && !(await sure(word("cancel_ask", { printer: name }), word("cancel")))) return;
    await act(button, "/api/act", { kind, printer: id, job: occupation.id }, card.said, word("done"));
  };
  return button;
}

async function stop(card) {
  const { id, name } = card.printer;
  if (await sure(word("stop_ask", { printer: name }), word("stop"))) {
    await act(card.stop, "/api/stop", { kind: "emergency-stop", printer: id }, card.said, word("done"));
  }
}

function drawPrinter(card, printer) {
  card.printer = printer;
  const { occupation, fault, reason } = printer;
  const busy = BUSY.includes(printer.state);
  put(card.element, "data-printer", printer.id);
  put(card.element, "data-state", printer.state);
  say(card.title, printer.name);
  say(card.sign, SIGNS[printer.state] ?? "");
  say(card.stateText, word(`state_${printer.state}`));
  put(card.bed, "data-bed", printer.bed);
  say(card.bed, word(`bed_${printer.bed}`));
  drawProgress(card, printer, busy);
  const fr = language() === "fr";
  const meaning = fault && (fr ? fault.meaning_fr : fault.meaning_en);
  const line = fault && ((fr && fault.text_fr) || fault.text); // the machine's, unless the driver has French for it
  const told = fault ? [meaning, fr ? fault.action_fr : fault.action_en, recovery(fault), line === meaning ? "" : line] : [];
  say(card.fault, told.filter(Boolean).join(" "));
  say(card.reason, reason && !busy && !reason.code.startsWith("bed-") ? (fr ? reason.fr : reason.en) : "");
  const refusals = printer.refusals.map(({ program, reason: why }) => word("refused", { program: program.slice(0, 12), why: fr ? why.fr : why.en }));
  say(card.refused, refusals.join("\n"));
  say(card.job, jobText(printer));
  drawQuestion(card, printer);
  drawHand(card, printer);
  drawMachine(card, printer, busy && occupation?.kind === "job" && occupation.outcome === null);
}

function drawProgress(card, printer, busy) {
  const known = busy && printer.progress !== null;
  show(card.progress, known);
  put(card.progress, "aria-label", word("progress", { printer: printer.name }));
  if (known) put(card.progress, "value", String(printer.progress));
  const percent = Math.floor((printer.progress ?? 0) * 100);
  const time = printer.remaining_s === null ? null : lasting(printer.remaining_s);
  say(card.left, known ? word(time ? "left" : "percent", { percent, time }) : "");
}

function jobText(printer) {
  const job = printer.occupation?.job;
  const texts = job ? [word("job", { job: job.job, parts: counted("parts", job.parts), revision: job.revision })] : [];
  if (printer.waiting) texts.push(word("next", { count: printer.waiting }));
  return texts.join(" · ");
}

function drawMachine(card, printer, ours) {
  const able = (capability) => printer.capabilities.includes(capability);
  show(card.pause, ours && able("pause") && printer.state === "printing");
  show(card.resume, ours && able("pause") && printer.state === "paused");
  show(card.cancel, ours && able("cancel"));
  show(card.stop, able("emergency-stop") && !["offline", "connecting"].includes(printer.state));
  for (const kind of ["pause", "resume", "cancel", "stop"]) {
    say(card[kind], word(kind));
    put(card[kind], "aria-label", word("of_printer", { what: word(kind), printer: printer.name }));
  }
}

// What it takes until the printer prints again; an older agent does not say.
function recovery(fault) {
  const known = ["by-itself", "by-hand", "never"].includes(fault.recovery);
  return known ? word(`recovery_${fault.recovery.replace("-", "_")}`) : "";
}

// --- what the machine asks: its words, and a button for each choice. Made anew only for another question.

function drawQuestion(card, printer) {
  const { prompt, capabilities } = printer;
  const key = prompt ? JSON.stringify([prompt.id, language(), capabilities.includes("prompts")]) : "";
  if (card.questionKey === key) return;
  card.questionKey = key;
  card.question.replaceChildren();
  if (!prompt) return;
  const fr = language() === "fr"; // what has no French is the machine's own word
  make("p", "what", card.question).textContent = word("asks", { text: (fr && prompt.text_fr) || prompt.text });
  if (!capabilities.includes("prompts")) {
    make("p", "muted", card.question).textContent = word("asks_there");
    return;
  }
  const row = make("div", "buttons", card.question);
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", word("of_printer", { what: word("answers"), printer: printer.name }));
  const choices = fr && prompt.choices_fr?.length === prompt.choices.length ? prompt.choices_fr : prompt.choices;
  (choices.length ? choices : [word("asks_go_on")]).forEach((label, choice) => {
    const button = make("button", choice === 0 ? "primary big" : "big", row);
    button.textContent = label.trim() || word("asks_choice", { number: choice + 1 });
    button.onclick = () => act(button, "/api/answer", { printer: printer.id, prompt: prompt.id, choice }, card.said, word("done"));
  });
}

// --- what waits for a hand. Made anew only when it is about another thing, so that a count stays as it was set.

function drawHand(card, printer) {
  const occupation = printer.occupation;
  const waits = occupation && (occupation.kind === "job" ? occupation.outcome !== null : printer.state !== "foreign");
  const key = waits ? `${occupation.id} ${occupation.outcome} ${language()}` : "";
  if (card.handKey === key) return;
  card.handKey = key;
  card.hand.replaceChildren();
  if (!waits) return;
  card.said.textContent = "";
  if (occupation.kind === "job") collectForm(card, printer, occupation);
  else clearForm(card, printer, occupation);
}

function collectForm(card, printer, occupation) {
  const parts = occupation.job.parts;
  let good = occupation.outcome === "printed" ? parts : 0;
  make("p", "what", card.hand).textContent = word(`outcome_${occupation.outcome}`);
  const row = make("div", "stepper", card.hand);
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", word("of_printer", { what: word("good"), printer: printer.name }));
  const fewer = make("button", "step", row);
  const shown = make("output", "", row);
  const more = make("button", "step", row);
  const collect = make("button", "primary big", card.hand);
  [fewer.textContent, more.textContent] = ["−", "+"];
  fewer.setAttribute("aria-label", word("fewer"));
  more.setAttribute("aria-label", word("more"));
  const set = (wanted) => {
    good = Math.min(parts, Math.max(0, wanted));
    shown.textContent = `${good} / ${parts}`;
    collect.textContent = word("collect", { good, scrap: parts - good });
  };
  fewer.onclick = () => set(good - 1);
  more.onclick = () => set(good + 1);
  collect.onclick = () => {
    const body = { printer: printer.id, job: occupation.id, good, scrap: parts - good };
    act(collect, "/api/collect", body, card.said, word("collected", body));
  };
  set(good);
}

function clearForm(card, printer, occupation) {
  make("p", "what", card.hand).textContent = word(occupation.kind === "foreign" ? "clear_foreign" : "clear_unknown");
  const clear = make("button", "primary big", card.hand);
  clear.textContent = word("clear");
  clear.setAttribute("aria-label", word("of_printer", { what: word("clear"), printer: printer.name }));
  clear.onclick = () => act(clear, "/api/clear", { printer: printer.id, occupation: occupation.id }, card.said, word("cleared"));
}

// --- the page itself

function speak() {
  document.documentElement.lang = language();
  for (const element of document.querySelectorAll("[data-word]")) say(element, word(element.dataset.word));
  say(find("language"), word("other_language"));
  put(find("language"), "lang", language() === "fr" ? "en" : "fr");
  draw();
}

find("language").onclick = () => {
  changeLanguage();
  speak();
};

find("go-on-button").onclick = async () => {
  if (await sure(word("go_on_ask"), word("go_on_yes"))) {
    await act(find("go-on-button"), "/api/go-on", { sure: true }, find("farm-said"), word("go_on_said"));
  }
};

find("sign-in").onsubmit = (event) => {
  event.preventDefault();
  token = find("token").value.trim();
  try {
    localStorage.setItem(TOKEN, token);
  } catch {
    // a browser that remembers nothing asks again next time
  }
  look();
};

window.addEventListener("hashchange", () => {
  token = takeToken();
  look();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) look();
});

speak();
look();
