// The audit: who released, withdrew, recalled, approved or removed what, when and why. One page of it at a time, newest first.

import { ask, Problem } from "./api.js";
import { complain, find, forget, icon, make, mark, say, show } from "./dom.js";
import { library, profileName } from "./library.js";
import { farm } from "./live.js";
import { moment, number, word } from "./words.js";

const ROWS = 50; // of one page
const MOST = 10_000_000; // the daemon takes no larger offset
const SHORT = 12; // letters of a hash

const SIGNS = {
  "program.add": "collect", "program.release": "done", "program.withdraw": "fault", "program.remove": "offline",
  "program.checked-again": "working", "revision.release": "done", "revision.recall": "fault",
  "requester.add": "foreign", "requester.change": "draft", "requester.remove": "offline",
  "approval.add": "done", "approval.withdraw": "fault",
};
// Names in the details: of a program that is gone, of a requester at that time.
const NAMES = {
  "program.remove": /^(.*): \d+ x \S+ for \S+$/s,
  "requester.add": /^(.+)$/s,
  "requester.remove": /^(.+)$/s,
  "requester.change": /^(?:.* -> )?(.*): keeps (?:no )?approvals$/s,
};
const VERDICTS = ["pass", "trusted-only", "reject"];

let subject = "";
let offset = 0;
let rows = [];
let more = false;
let seen = null; // what `rows` show
let loading = false;
let failed = false;
let draw = () => {};

const programOf = (sha256) => library.programs.find((program) => program.sha256 === sha256);
const requesterOf = (id) => library.requesters.find((requester) => requester.id === id);

// "operator" is what is noted of somebody who gave no name.
function whoText(who) {
  if (who === "farm") return word("audit_by_farm");
  return who === "operator" ? word("audit_by_operator") : who;
}

// What is gone is named by what was written down of it; entries of the same thing stand together in these rows, or not far away.
function nameThen(id) {
  const named = rows.find((entry) => entry.subject === id && NAMES[entry.action]?.exec(entry.detail));
  return named ? NAMES[named.action].exec(named.detail).at(-1) : "";
}

// Who or what it is about, as people call it.
function subjectText(entry) {
  const [kind] = entry.action.split(".");
  const own = NAMES[entry.action]?.exec(entry.detail)?.at(-1);
  if (own) return own;
  if (kind === "program") return programOf(entry.subject)?.name || nameThen(entry.subject) || entry.subject.slice(0, SHORT);
  if (kind === "requester" || kind === "approval") return requesterOf(entry.subject)?.name || nameThen(entry.subject) || entry.subject;
  return entry.subject;
}

function checkedText(detail) {
  const [, from, to] = /^(\S+) -> (\S+) /.exec(detail) ?? [];
  if (!VERDICTS.includes(from) || !VERDICTS.includes(to)) return detail;
  const [before, after] = [from, to].map((verdict) => word(`verdict_${verdict.replace("-", "_")}`));
  return from === to ? word("audit_other_trust") : word("audit_verdict", { before, after });
}

// The rules that somebody answers for, "motor-current=2 long-pause=1".
const rulesText = (detail) => detail && word("audit_rules", { rules: detail.split(" ").map((rule) => rule.replace("=", " × ")).join(", ") });

// What the daemon wrote down with it, in words of the page where it has a form that we know.
const DETAILS = {
  "program.add": (detail) => {
    const [, revision, profile] = /^(\S+) for (\S+)$/.exec(detail) ?? [];
    return revision ? `${revision} · ${profileName(profile)}` : detail;
  },
  "program.remove": (detail) => {
    const [, parts, revision, profile] = /: (\d+) x (\S+) for (\S+)$/.exec(detail) ?? [];
    return revision ? `${number(Number(parts))} × ${revision} · ${profileName(profile)}` : detail;
  },
  "program.release": rulesText,
  "program.withdraw": rulesText,
  "program.checked-again": checkedText,
  "requester.add": () => "",
  "requester.remove": () => "",
  "requester.change": (detail) => {
    const [, before, name, no] = /^(?:(.*) -> )?(.*): keeps (no )?approvals$/s.exec(detail) ?? [];
    if (!name) return detail;
    return [before && word("audit_named", { name: before }), word(no ? "requester_free" : "requester_strict")].filter(Boolean).join(" · ");
  },
};

const detailText = (entry) => (DETAILS[entry.action] ?? ((detail) => detail))(entry.detail);

function reasonText(entry) {
  if (!entry.reason) return "";
  if (entry.action === "revision.release" && entry.reason === "uploaded") return word("audit_uploaded");
  if (entry.action === "program.checked-again") return word("program_released", { name: entry.reason });
  return word("audit_reason", { reason: entry.reason });
}

function actionText(action) {
  const key = `audit_${action.replace(/[.-]/g, "_")}`;
  const text = word(key);
  return text === key ? action : text; // of a newer daemon
}

function auditItem(entry) {
  const when = make("time", { datetime: new Date(entry.at * 1_000).toISOString(), class: "muted" });
  const who = make("strong", { class: "says" });
  const did = make("span");
  const what = make("a", { class: "says" });
  const detail = make("span", { class: "muted says" });
  const reason = make("span", { class: "audit-reason says" });
  const about = make("a", { class: "audit-more", href: `#audit-${entry.subject}` });
  const told = make("p", { class: "audit-told" }, who, " ", did, " ", what, " ", detail);
  const element = make("li", { class: "audit-row", "data-action": entry.action }, icon(SIGNS[entry.action] ?? "note"), when, make("div", {}, told, reason), about);
  const update = (now) => {
    say(when, moment(now.at));
    say(who, whoText(now.who));
    say(did, actionText(now.action));
    say(what, subjectText(now));
    mark(what, "href", programOf(now.subject) ? `#program-${now.subject}` : null);
    say(detail, detailText(now));
    say(reason, reasonText(now));
    say(about, word("audit_about"));
    mark(about, "aria-label", word("audit_about_it", { name: subjectText(now) }));
    mark(about, "hidden", subject ? "" : null);
  };
  return { element, update };
}

async function fetchRows(wanted) {
  const query = new URLSearchParams({ limit: ROWS + 1, offset, ...(subject ? { subject } : {}) });
  try {
    const found = await ask("GET", `/audit?${query}`);
    [rows, more, failed] = [found.slice(0, ROWS), found.length > ROWS, false];
    mark(find("audit-said"), "data-bad", null);
    say(find("audit-said"), "");
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    failed = true;
    complain(find("audit-said"), error.problem);
  }
  seen = wanted;
}

// Ask anew when the library changed, as long as the newest are shown: under who reads older ones, nothing moves.
async function refresh() {
  const version = offset ? "" : farm.library;
  const wanted = `${subject} ${offset} ${version} ${farm.snapshots}`;
  if (loading || !farm.heardAt || wanted === seen) return;
  loading = true;
  try {
    await fetchRows(wanted);
  } finally {
    loading = false;
  }
  draw();
}

// What it is about, and, of a program, its revision: who uploads the first program of a revision releases that.
function drawAbout() {
  const revision = programOf(subject)?.revision ?? "";
  const name = programOf(subject)?.name || (rows.length ? subjectText(rows[0]) : subject.slice(0, SHORT));
  say(find("audit-about-text"), subject ? word("audit_only", { name }) : "");
  say(find("audit-revision"), word("audit_about_it", { name: revision }));
  mark(find("audit-revision"), "href", revision ? `#audit-${revision}` : null);
  mark(find("audit-revision"), "hidden", revision ? null : "");
  mark(find("audit-about"), "hidden", subject ? null : "");
}

export function showAudit(about) {
  if (about !== subject) {
    [subject, offset, rows, more] = [about, 0, [], false];
    forget(find("audit-rows"));
  }
  refresh();
  show(find("audit-rows"), rows, (entry) => entry.id, auditItem);
  const known = seen?.startsWith(`${subject} ${offset} `);
  mark(find("audit-none"), "hidden", known && !failed && !rows.length ? null : "");
  drawAbout();
  mark(find("audit-pages"), "hidden", offset || more ? null : "");
  mark(find("audit-newer"), "disabled", offset ? null : "");
  mark(find("audit-older"), "disabled", more && offset + ROWS < MOST ? null : "");
  say(find("audit-shown"), word("audit_shown", { from: number(offset + 1), to: number(offset + rows.length) }));
}

function turn(pages) {
  offset = Math.max(0, offset + pages * ROWS);
  find("audit-title").focus({ preventScroll: true });
  scrollTo(0, 0);
  draw();
}

// `render` shows what was fetched.
export function installAudit(render) {
  draw = render;
  find("audit-newer").addEventListener("click", () => turn(-1));
  find("audit-older").addEventListener("click", () => turn(1));
}
