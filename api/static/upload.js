// Adding a program: the form, the way of the file, and what came of it.

import { ask, Problem } from "./api.js";
import { find, make, mark, say } from "./dom.js";
import { library, person, refresh, rememberPerson, stateOf } from "./library.js";
import { farm } from "./live.js";
import { failedOutcome, readyOutcome, refusedOutcome } from "./outcome.js";
import { sendFile } from "./sending.js";
import { bytes, ownProblem, word } from "./words.js";

const MAX_NAME = 200;
const REVISION = /^[A-Za-z0-9._-]{1,64}$/;

let chosen = null; // the file
let mine = { phase: "idle" }; // idle, sending, reading, ready, refused, failed
let missed = false; // whether somebody would have sent without a file
let touched = false; // whether a person has named the revision
let drawn = "";
let orderIt = () => {};
let listen = () => {};

const field = (name) => find("upload-form").elements[name];
// What makes one text look like another one is taken out: the daemon takes no such name.
const harmless = (text) => text.replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, "").trim().slice(0, MAX_NAME);
const busy = () => ["sending", "reading"].includes(mine.phase);

function designOf(text) {
  const wanted = text.trim().toLocaleLowerCase();
  return library.designs.find((design) => design.name.toLocaleLowerCase() === wanted || design.id === text.trim());
}

const slug = (text) => text.normalize("NFD").replace(/\p{M}+/gu, "").replace(/[^A-Za-z0-9]+/g, "-").replace(/^-+|-+$/g, "").toLowerCase().slice(0, 50);

function nextRevision(design, name) {
  const last = design?.revisions.map((revision) => /^(.*?)(\d+)$/.exec(revision)).find(Boolean);
  if (last) return `${last[1]}${Number(last[2]) + 1}`;
  return slug(name) ? `${slug(name)}-r1` : "";
}

// The newest revision that still counts is what most new files are for; another one is a choice.
function suggest() {
  const design = designOf(field("design").value);
  const current = design?.revisions.find((revision) => stateOf(design, revision) !== "recalled");
  const next = nextRevision(design, field("design").value);
  if (!touched) field("revision").value = current ?? next;
  find("upload-revisions").replaceChildren(...[next, ...(design?.revisions ?? [])].filter(Boolean).map((value) => make("option", { value })));
  hint();
}

function hint() {
  const design = designOf(field("design").value);
  const revision = field("revision").value.trim();
  const values = { design: design?.name ?? field("design").value.trim(), revision };
  const known = design?.revisions.includes(revision);
  const state = known ? stateOf(design, revision) : null;
  let key = "";
  if (revision && !REVISION.test(revision)) key = "upload_bad_revision";
  else if (values.design && revision) key = hintKey(design, state);
  say(find("upload-hint"), word(key || "upload_hint", values));
  const bad = key === "upload_bad_revision" || state === "recalled";
  mark(find("upload-hint"), "data-bad", bad ? "" : null);
  field("revision").setCustomValidity(bad ? word(key, values) : "");
  mark(find("upload-draft-row"), "hidden", state === "released" ? "" : null);
}

function hintKey(design, state) {
  if (state) return { recalled: "upload_recalled", draft: "upload_same_draft", released: "upload_same_revision" }[state];
  if (!design) return "upload_new_design";
  return field("draft").checked ? "upload_new_draft" : "upload_new_revision";
}

function fillProfiles() {
  const select = field("profile");
  if (select.options.length !== library.profiles.length + 1) {
    const before = select.value;
    const first = make("option", { value: "", "data-word": "upload_profile_first" }, word("upload_profile_first")); // a wrong guess is a wrong file
    select.replaceChildren(first, ...library.profiles.map((profile) => make("option", { value: profile.id }, profile.name)));
    select.value = library.profiles.some((profile) => profile.id === before) ? before : "";
    fillMaterials();
  }
}

function fillMaterials() {
  const select = field("material");
  const before = select.value;
  const materials = library.profiles.find((profile) => profile.id === field("profile").value)?.materials ?? [];
  select.replaceChildren(...materials.map((material) => make("option", { value: material }, material)));
  if (materials.includes(before)) select.value = before;
}

function choose(file) {
  if (!file || busy()) return;
  [chosen, missed] = [file, false];
  field("name").value = harmless(file.name);
  tell("");
  if (mine.phase !== "idle" && !typing()) mine = { phase: "idle" }; // what came of another file is no word on this one
  listen();
  drawFile();
}

function takeDropped(files) {
  choose(files[0]);
  if (files.length > 1 && !busy()) tell(word("upload_one", { name: files[0].name }));
}

// Why nothing is sent, below the button.
function tell(complaint) {
  mark(find("upload-said"), "data-bad", complaint ? "" : null);
  say(find("upload-said"), complaint);
}

function drawFile() {
  const limit = library.limits ? bytes(library.limits.max_upload_bytes) : "…";
  say(find("upload-chosen"), chosen ? word("upload_chosen", { name: chosen.name, size: bytes(chosen.size) }) : word("upload_choose"));
  const complaint = chosen || missed ? complaintAbout(chosen) : "";
  say(find("upload-kinds"), complaint || (chosen ? word("upload_other") : word("upload_kinds", { size: limit })));
  mark(find("upload-kinds"), "data-bad", complaint ? "" : null);
  mark(find("upload-drop"), "data-chosen", chosen ? "" : null);
}

function complaintAbout(file) {
  if (!file) return word("upload_no_file");
  if (!file.size) return word("upload_empty");
  const limit = library.limits?.max_upload_bytes ?? Infinity;
  if (file.size > limit) return `${word("upload_too_large", { size: bytes(file.size), limit: bytes(limit) })} ${word("upload_too_large_step")}`;
  return "";
}

function fields() {
  const said = Object.fromEntries(["name", "design", "revision", "profile", "material", "parts", "by"].map((name) => [name, field(name).value.trim()]));
  if (!said.by) delete said.by;
  if (field("draft").checked && !find("upload-draft-row").hidden) said.draft = "true";
  return said;
}

async function begin() {
  if (busy()) return;
  const complaint = complaintAbout(chosen);
  tell(complaint);
  if (complaint) return;
  const wanted = fields();
  rememberPerson(wanted.by ?? "");
  const name = wanted.name || word("upload_nameless");
  const sending = sendFile(chosen, wanted, (done, of) => { Object.assign(mine, { done, of }); listen(); });
  mine = { phase: "sending", done: 0, of: chosen.size, name, profile: wanted.profile, stop: sending.stop };
  listen();
  find("upload-panel").scrollIntoView({ block: "nearest" });
  try {
    const upload = await sending.promise;
    mine = { ...mine, phase: "reading", id: upload.id, row: upload, snapshot: farm.snapshots, seen: false };
    if (["ready", "refused"].includes(upload.state)) await end(upload);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    mine = { ...mine, phase: "failed", problem: error.problem };
  }
  listen();
}

// Follow the upload by what the live connection says of it.
function follow() {
  if (mine.phase !== "reading") return;
  const row = farm.uploads.get(mine.id);
  if (row) {
    mine.seen = true;
    mine.row = row;
    if (["ready", "refused"].includes(row.state)) end(row).then(listen);
  } else if (mine.seen || farm.snapshots > mine.snapshot) {
    mine = { ...mine, phase: "failed", problem: ownProblem("forgotten", "upload_forgotten") };
  }
}

async function end(row) {
  const { id } = row;
  if (mine.ending === id) return;
  mine.ending = id;
  try {
    if (row.state === "refused") {
      const upload = await ask("GET", `/uploads/${encodeURIComponent(id)}`);
      if (upload.problem.code === "program-known") await refresh(listen, { force: true }); // as what, the library says
      mine = { ...mine, phase: "refused", upload };
    } else {
      await refresh(listen, { force: true });
      const program = await ask("GET", `/programs/${encodeURIComponent(row.program)}`);
      mine = { ...mine, phase: "ready", program, isNew: row.new, library: farm.library };
      if (!mine.foreign) letGo();
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.problem.code === "no-answer") mine.ending = null; // it has ended well or badly: the next draw asks again
    else mine = { ...mine, phase: "failed", problem: error.problem };
  }
}

// Show the end of an upload of somebody else.
export async function showUpload(row) {
  if (busy()) return;
  mine = { phase: "reading", id: row.id, row, snapshot: farm.snapshots, seen: true, foreign: true, name: row.name };
  await end(row);
  listen();
  find("upload-panel").scrollIntoView({ block: "nearest" });
}

function again(profile) {
  field("profile").value = profile;
  fillMaterials();
  begin();
}

// The file is in the library: the form is for the next one.
function letGo() {
  chosen = null;
  touched = false;
  find("upload-file").value = "";
  field("name").value = "";
  suggest();
}

function next() {
  mine = { phase: "idle" };
  letGo();
  listen();
  find("upload-file").focus();
}

// `gently`: not under somebody who writes meanwhile.
async function changed({ gently = false } = {}) {
  const program = await ask("GET", `/programs/${encodeURIComponent(mine.program.sha256)}`);
  if (gently && (typing() || mine.phase !== "ready")) return;
  mine = { ...mine, program, version: (mine.version ?? 0) + 1, library: farm.library };
  listen();
}

const typing = () => [...find("upload-outcome").querySelectorAll("input")].some((input) => input.value !== input.defaultValue);

function parts() {
  if (mine.phase === "ready") return readyOutcome(mine.program, mine.isNew || mine.foreign, { order: orderIt, next, changed });
  if (mine.phase === "refused") return refusedOutcome(mine.upload, { next, again: chosen && !mine.foreign ? again : null });
  if (mine.phase === "failed") return failedOutcome(mine.problem, mine.name, { retry: begin, next });
  return [];
}

function drawProgress() {
  const reading = mine.phase === "reading";
  const row = mine.row;
  const [done, of] = reading ? [row.done, row.of] : [mine.done, mine.of];
  const bar = find("upload-bar");
  if (of > 0 && !(reading && row.state === "waiting")) Object.assign(bar, { max: of, value: Math.min(done, of) });
  else bar.removeAttribute("value");
  mark(bar, "aria-label", word("upload_progress", { name: mine.name }));
  const what = reading ? word("upload_is", { name: mine.name, state: word(`upload_state_${row.state}`) }) : word("upload_sending", { name: mine.name });
  say(find("upload-doing"), what); // a live region: once a step, not once a byte
  say(find("upload-count"), of > 0 ? word("upload_bytes", { done: bytes(Math.min(done, of)), of: bytes(of) }) : "");
  mark(find("upload-stop"), "hidden", reading ? "" : null);
  say(find("upload-leave"), word(reading ? "upload_may_leave" : "upload_must_stay"));
}

export function drawUpload() {
  fillProfiles();
  follow();
  drawFile();
  hint();
  mark(find("upload-panel"), "data-phase", mine.phase);
  mark(find("upload-before"), "hidden", mine.phase === "idle" ? null : "");
  mark(find("upload-going"), "hidden", busy() ? null : "");
  const step = { sending: "send", reading: "check" }[mine.phase] ?? "end";
  for (const item of document.querySelectorAll("#upload-steps li")) mark(item, "aria-current", item.dataset.step === step ? "step" : null);
  mark(find("upload-send"), "disabled", busy() ? "" : null);
  if (busy()) drawProgress();
  else say(find("upload-doing"), "");
  const known = JSON.stringify([mine.phase, mine.id, mine.version, mine.problem?.detail, library.loaded]);
  if (known === drawn) return;
  drawn = known;
  const ended = parts();
  find("upload-outcome").replaceChildren(...ended);
  if (ended.length) find("upload-outcome").querySelector("h3")?.focus({ preventScroll: true });
}

// The library changed: what is shown of a program may be another one now.
export async function libraryChanged() {
  suggest();
  if (mine.phase !== "ready" || mine.library === farm.library || typing()) return;
  try {
    await changed({ gently: true });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
}

// In another language everything is said anew.
export const forgetUpload = () => { drawn = ""; };

// `render` shows what changed; `order(program)` leads to the form for orders.
export function installUpload(render, order) {
  listen = render;
  orderIt = order;
  const form = find("upload-form");
  const drop = find("upload-drop");
  field("by").value = person();
  find("upload-file").addEventListener("change", (event) => {
    choose(event.target.files[0]);
    event.target.value = ""; // else a browser says nothing of the same name chosen again, exported anew
  });
  field("design").addEventListener("input", suggest);
  field("revision").addEventListener("input", () => { touched = field("revision").value !== ""; hint(); });
  field("draft").addEventListener("change", hint);
  field("profile").addEventListener("change", fillMaterials);
  find("upload-send").addEventListener("click", (event) => { // the file comes first: before a browser asks for other fields
    if (chosen) return;
    event.preventDefault();
    missed = true;
    drawFile();
    tell(word("upload_no_file"));
    find("upload-file").focus();
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); begin(); });
  addEventListener("beforeunload", (event) => { if (mine.phase === "sending") event.preventDefault(); }); // what was sent would be lost
  find("upload-stop").addEventListener("click", () => mine.stop?.());
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); mark(drop, "data-over", ""); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => mark(drop, "data-over", null));
  drop.addEventListener("drop", (event) => { event.preventDefault(); takeDropped(event.dataTransfer.files); });
}
