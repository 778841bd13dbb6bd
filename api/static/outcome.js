// What came of an upload: the program with its facts and verdicts, or why it was not taken and what to do now.

import { icon, make } from "./dom.js";
import { findingList, verdictList } from "./findings.js";
import { library, profileName, revisionState } from "./library.js";
import { programBody, programName } from "./program.js";
import { counted, problemText, told, word } from "./words.js";

const MAX_OTHERS = 3;

function head(mood, sign, title, ...lines) {
  const texts = lines.filter(Boolean).map((text) => make("p", {}, text));
  return make("div", { class: "outcome-head", "data-mood": mood }, icon(sign), make("div", {}, make("h3", { tabindex: "-1" }, title), ...texts));
}

const button = (key, action, kind = "") => make("button", { type: "button", class: kind, onclick: action }, word(key));

function readyText(program) {
  if (!program.usable) return word("upload_ready_trusted");
  const draft = revisionState(program.revision) === "draft";
  const text = word(draft ? "upload_ready_draft" : "upload_ready_pass", { profile: profileName(program.profile) });
  return program.warnings.length ? `${text} ${counted("upload_remarks", program.warnings.length)}` : text;
}

// `ways`: order(program), next(), changed().
export function readyOutcome(program, isNew, ways) {
  const mood = program.usable ? "good" : "hand";
  const orderable = program.usable && revisionState(program.revision) === "released";
  const buttons = make(
    "div", { class: "buttons" },
    orderable ? button("to_order", () => ways.order(program), "primary") : null,
    make("a", { class: "button", href: `#program-${program.sha256}` }, word("to_program")),
    button("upload_next", ways.next, "quiet"),
  );
  const title = word("upload_ready", { name: programName(program) });
  return [head(mood, program.usable ? "done" : "attention", title, isNew ? "" : word("upload_known"), readyText(program)), buttons, ...programBody(program, ways.changed)];
}

function others(verdicts, own, again) {
  const fitting = verdicts.filter(([profile, verdict]) => profile !== own && verdict !== "reject").sort((a, b) => (a[1] === "pass" ? 0 : 1) - (b[1] === "pass" ? 0 : 1));
  if (!fitting.length || !again) return null;
  const buttons = fitting.slice(0, MAX_OTHERS).map(([profile]) =>
    make("button", { type: "button", "data-profile": profile, onclick: () => again(profile) }, word("upload_for", { profile: profileName(profile) })));
  return make("div", { class: "others" }, make("p", {}, word("upload_other_profiles")), make("div", { class: "buttons" }, ...buttons));
}

// Only a file that failed its checks or could not be read is surely gone; of others the library may have it from before.
const NOT_KEPT = ["gcode-rejected", "not-gcode", "unreadable", "hash-mismatch"];

function keptText(problem) {
  if (problem.code === "program-known") return word("upload_refused_known");
  return NOT_KEPT.includes(problem.code) ? word("upload_refused_step") : "";
}

// The program that the farm knows this file as: the daemon names the beginning of its hash.
function knownAs(problem) {
  const start = problem.code === "program-known" ? /\b[0-9a-f]{12,64}\b/.exec(problem.next_step)?.[0] : "";
  const program = start && library.programs.find((row) => row.sha256.startsWith(start));
  return program ? make("a", { class: "button", href: `#program-${program.sha256}` }, word("upload_known_as", { name: programName(program) })) : null;
}

// `ways`: next(), and again(profile) while the file is still at hand.
export function refusedOutcome(upload, ways) {
  const { problem } = upload;
  const findings = problem.findings ?? [];
  const verdicts = Object.entries(problem.verdicts ?? {});
  const name = upload.name || word("upload_nameless");
  const why = findings.length ? word("upload_fix_first") : problemText(problem);
  const parts = [
    head("bad", "fault", word("upload_refused", { name }), why, keptText(problem)),
    others(verdicts, upload.profile, ways.again),
    make("div", { class: "buttons" }, knownAs(problem), button("upload_next", ways.next, "quiet")),
  ];
  if (findings.length) parts.push(make("section", { class: "part" }, make("h3", {}, word("findings_of", { profile: profileName(upload.profile) })), findingList(findings)));
  if (verdicts.length) parts.push(make("section", { class: "part" }, make("h3", {}, word("verdicts")), verdictList(verdicts, upload.profile)));
  return parts.filter(Boolean);
}

// It did not even arrive.
export function failedOutcome(problem, name, ways) {
  const [ours, cut] = [["here", "forgotten"].includes(problem.code), problem.code === "here"];
  const text = ours ? [told(problem, "detail"), told(problem, "next_step")] : [problemText(problem)];
  const buttons = make("div", { class: "buttons" }, button("upload_again", ways.retry, "primary"), button("upload_next", ways.next, "quiet"));
  return [head("bad", "fault", word(cut ? "upload_not_sent" : "upload_refused", { name }), ...text), buttons];
}
