// One program: its picture, facts, verdicts and findings, what a person may do, and where it is used.

import { ask, Problem } from "./api.js";
import { complain, draw, find, icon, make, mark, say } from "./dom.js";
import { featureTable, layerChart, mainFacts, moreFacts, toolList } from "./facts.js";
import { checks } from "./findings.js";
import { designName, library, revisionState } from "./library.js";
import { farm } from "./live.js";
import { releasePlace } from "./release.js";
import { removalPlace } from "./removal.js";
import { word } from "./words.js";

const SHOWN_IN_LISTS = 50;

export const programName = (program) => program.name || program.revision;
export const pictureOf = (sha256, name = "preview") => `/api/v1/programs/${encodeURIComponent(sha256)}/${name}.png`;

// In which state a program is for people: [key of the words, sign, mood].
export function stateOfProgram(program) {
  const revision = revisionState(program.revision);
  if (revision === "recalled") return ["program_recalled", "fault", "bad"];
  if (program.verdict === "reject") return ["program_rejected", "fault", "bad"];
  if (!program.usable) return ["program_waiting", "attention", "hand"];
  if (revision === "draft") return ["program_draft", "draft", "calm"];
  if (!program.checked) return ["program_checking", "working", "calm"];
  return program.released_by ? ["program_released", "done", "good"] : ["program_ready", "done", "good"];
}

export function statePill() {
  const sign = icon("idle");
  const text = make("span");
  const element = make("span", { class: "pill" }, sign, text);
  const update = (program) => {
    const [key, name, mood] = stateOfProgram(program);
    draw(sign, name);
    say(text, word(key, { name: program.released_by }));
    mark(element, "data-mood", mood);
  };
  return { element, update };
}

// A picture that may not be there: its place keeps its size, so that nothing moves.
export function picture(sha256, alternative, { name = "preview", large = false } = {}) {
  const size = large ? { width: 960, height: 720 } : { width: 96, height: 72 };
  const image = make("img", { src: pictureOf(sha256, name), alt: alternative, loading: "lazy", decoding: "async", ...size });
  const frame = make("span", { class: large ? "picture large" : "picture" }, image);
  image.addEventListener("error", () => {
    frame.replaceChildren(large ? make("span", { class: "muted" }, word("picture_none")) : icon("printing"));
    mark(frame, "data-none", "");
  });
  return frame;
}

function pictures(program) {
  const name = programName(program);
  const shown = [];
  if (program.has_preview) {
    const link = { href: pictureOf(program.sha256), target: "_blank", rel: "noopener", "aria-label": word("picture_large") };
    shown.push(make("a", { class: "picture-link", ...link }, picture(program.sha256, word("picture", { name }), { large: true })));
  } else shown.push(make("span", { class: "picture large", "data-none": "" }, make("span", { class: "muted" }, word("picture_none"))));
  if (program.has_thumbnail && program.facts.thumbnails?.length) { // without one of the slicer it is ours, in small
    const slicer = make("img", { src: pictureOf(program.sha256, "thumbnail"), alt: word("picture_slicer"), loading: "lazy", class: "slicer-picture", width: 128, height: 128 });
    slicer.addEventListener("error", () => slicer.closest("figure").remove());
    shown.push(make("figure", { class: "thumbnail" }, slicer, make("figcaption", { class: "muted" }, word("picture_slicer"))));
  }
  return make("div", { class: "pictures" }, ...shown);
}

const part = (title, ...content) => make("section", { class: "part" }, make("h3", {}, title), ...content);

// What an upload and the page of a program both show.
export function programBody(program, changed) {
  const release = releasePlace(program, changed);
  const known = Object.keys(program.facts).length > 0;
  return [
    make("div", { class: "overview" }, pictures(program), known ? mainFacts(program) : make("div", {}, mainFacts(program), make("p", { class: "calm" }, word("facts_none")))),
    release,
    part(word("verdicts"), checks(program.reports, program.profile)),
  ].filter(Boolean);
}

function details(program) {
  const { facts } = program;
  const parts = [part(word("facts"), moreFacts(program))];
  if (facts.layer_table?.length) parts.push(part(word("layers"), layerChart(facts.layer_table)));
  if (facts.features?.length) parts.push(part(word("features"), featureTable(facts.features)));
  if (facts.tool_table?.length > 1) parts.push(part(word("tools"), toolList(facts.tool_table)));
  return make("div", { class: "parts" }, ...parts);
}

function usedPart() {
  const orders = make("ul", { class: "plain" });
  const printers = make("ul", { class: "plain" });
  const element = part(word("used"), make("div", { class: "parts" }, orders, printers));
  const update = (program) => {
    const revision = program.revision;
    const open = [...farm.orders.values()].filter((order) => order.revision === revision && order.state === "open").slice(0, SHOWN_IN_LISTS);
    const fitting = [...farm.printers.values()].filter((printer) => printer.profile === program.profile).slice(0, SHOWN_IN_LISTS);
    const rows = open.map((order) => `${word("order_count", order)} ${order.destination || order.requester_name || ""}`.trim());
    fill(orders, open.length ? word("used_orders", { revision }) : word("used_orders_none", { revision }), rows);
    fill(printers, word(fitting.length ? "used_printers" : "used_printers_none"), fitting.map((printer) => `${printer.name} · ${printer.material}`));
  };
  return { element, update };
}

function fill(list, title, rows) {
  const texts = JSON.stringify([title, rows]);
  if (list.dataset.texts === texts) return;
  list.dataset.texts = texts;
  list.replaceChildren(make("li", { class: "muted" }, title), ...rows.map((text) => make("li", { class: "says" }, text)));
}

let shown = { sha256: null, version: "", detail: null, used: null };

// Fetch and show the page of a program; again when the library changed or another language is wanted.
export async function showProgram(sha256, { force = false } = {}) {
  const version = `${farm.library} ${farm.snapshots}`;
  if (shown.detail && shown.sha256 === sha256) shown.used.update(shown.detail);
  if (!farm.heardAt || (shown.removed && shown.sha256 === sha256) || (!force && shown.sha256 === sha256 && shown.version === version)) return;
  const other = shown.sha256 !== sha256;
  shown = { ...shown, sha256, version, removed: false, detail: other ? null : shown.detail };
  const place = find("program");
  if (other) place.replaceChildren();
  try {
    const detail = await ask("GET", `/programs/${encodeURIComponent(sha256)}`);
    if (shown.sha256 !== sha256) return; // another one is looked at meanwhile
    if (typing(place) && shown.detail && !force) return; // nobody's words are taken away
    paint(detail);
    if (other) find("program-title").focus();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const said = make("p", { class: "said" });
    complain(said, error.problem, (problem) => (problem.code === "not-found" ? word("program_gone") : undefined));
    place.replaceChildren(said);
  }
}

// Removed by us, just now: that is no trouble.
function removed(detail) {
  shown = { ...shown, removed: true, detail: null };
  const title = find("program-title");
  say(title, word("removed", { name: programName(detail) }));
  const links = [["#library", "to_library"], [`#audit-${detail.sha256}`, "program_audit"]].map(([href, key]) => make("a", { class: "button", href }, word(key)));
  find("program").replaceChildren(make("p", { class: "calm" }, word("removed_again")), make("div", { class: "buttons" }, ...links));
  title.focus();
}

const typing = (place) => [...place.querySelectorAll("input")].some((field) => field.value && field.value !== field.defaultValue);

function paint(detail) {
  const used = usedPart();
  shown = { ...shown, detail, used };
  const pill = statePill();
  pill.update(detail);
  used.update(detail);
  say(find("program-title"), programName(detail));
  find("program").replaceChildren(
    make("p", { class: "program-line" }, pill.element, make("span", { class: "muted says" }, `${designName(detail.design)} · ${detail.revision}`),
      make("a", { class: "to-audit", href: `#audit-${detail.sha256}` }, word("program_audit")),
      make("a", { class: "download", href: `/api/v1/programs/${encodeURIComponent(detail.sha256)}/file`, download: "" }, word("download"))),
    ...programBody(detail, () => showProgram(detail.sha256, { force: true })),
    used.element, details(detail), removalPlace(detail, () => removed(detail)),
  );
}

export const programsOf = (revision) => library.programs.filter((program) => program.revision === revision);
