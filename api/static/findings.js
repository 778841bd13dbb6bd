// Verdicts, each with a sign and words, and what the check found: where, what it means, and what to do.

import { icon, make } from "./dom.js";
import { profileName } from "./library.js";
import { counted, duration, language, number, word } from "./words.js";

const SIGNS = { pass: "done", "trusted-only": "attention", reject: "fault" };
const RANK = { pass: 0, "trusted-only": 1, reject: 2 };
const SEVERITIES = { reject: "fault", trust: "attention", warn: "note" };

const keyOf = (verdict) => `verdict_${verdict.replace("-", "_")}`;

export const verdictSign = (verdict) =>
  make("span", { class: "verdict", "data-verdict": verdict }, icon(SIGNS[verdict] ?? "attention"), make("span", {}, word(keyOf(verdict))));

function verdictRow([profile, verdict], own, open, chosen) {
  const name = make("span", { class: "verdict-name" }, profileName(profile));
  const mine = profile === own ? make("span", { class: "muted" }, word("verdicts_own")) : null;
  const inside = [make("span", { class: "verdict-what" }, name, mine), verdictSign(verdict)];
  if (!open) return make("li", {}, make("div", { class: "verdict-row" }, ...inside));
  const pressed = { "aria-pressed": String(profile === chosen), "data-profile": profile };
  return make("li", {}, make("button", { type: "button", class: "verdict-row", onclick: () => open(profile), ...pressed }, ...inside));
}

// One row for each profile: its own in sight, the others folded, first what passes. `rows` are [profile, verdict]; `open(profile)` shows
// its findings; `unfolded` says whether the others are in sight, too.
export function verdictList(rows, own, { open = null, chosen = own, unfolded = false } = {}) {
  const sorted = [...rows].sort((a, b) => RANK[a[1]] - RANK[b[1]] || profileName(a[0]).localeCompare(profileName(b[0])));
  const list = (some) => make("ul", { class: "verdicts" }, ...some.map((row) => verdictRow(row, own, open, chosen)));
  const [mine, others] = [sorted.filter((row) => row[0] === own), sorted.filter((row) => row[0] !== own)];
  if (!mine.length || !others.length) return list(sorted);
  const summary = make("summary", {}, make("span", {}, counted("verdicts_others", others.length), " ", make("span", { class: "muted" }, verdictCounts(others))));
  return make("div", { class: "verdict-lists" }, list(mine), make("details", { class: "verdict-others", open: unfolded }, summary, list(others)));
}

export function verdictCounts(rows) {
  const texts = ["pass", "trusted-only", "reject"].map((verdict) => [verdict, rows.filter((row) => row[1] === verdict).length]);
  return texts.filter(([, count]) => count).map(([verdict, count]) => counted(`verdicts_${verdict.replace("-", "_")}`, count)).join(" · ");
}

// The unit is in `detail` alone: "400 > 290 mm/s", "1800 s ≠ 1200 s", or a place in mm and where the axis ends, "X250.00 Y3.00 Z0.20, X 210".
function unitOf(hit) {
  if (/^X\S+ Y\S+ Z\S+, [XYZ] \S+$/.test(hit.detail)) return "mm";
  return /^\S+(?: (\S{1,8}))? [<>≠] \S+ (\S{1,8})$/.exec(hit.detail)?.[2];
}

function figures(hit) {
  const unit = unitOf(hit);
  const told = (figure) => (unit === "s" ? duration(figure) : unit ? `${number(figure, 2)}\u00a0${unit}` : number(figure, 2));
  return word(hit.detail.includes("≠") ? "finding_differs" : "finding_figures", { value: told(hit.value), limit: told(hit.limit) });
}

function hitItem(hit) {
  const place = make("strong", {}, hit.line ? word("finding_line", { line: number(hit.line) }) : word("finding_file"));
  const parts = [place];
  if (hit.text) parts.push(make("code", {}, hit.text));
  const known = hit.value !== null && hit.value !== undefined && hit.limit !== null && hit.limit !== undefined;
  if (known) parts.push(make("span", { class: "muted" }, figures(hit)));
  else if (hit.detail && hit.detail !== hit.text) parts.push(make("span", { class: "muted says" }, hit.detail));
  return make("li", {}, ...parts);
}

function findingItem(finding) {
  const more = finding.count - finding.hits.length;
  const places = finding.hits.filter((hit) => hit.line || hit.text || hit.detail);
  return make(
    "li", { class: "finding", "data-severity": finding.severity, "data-rule": finding.rule },
    icon(SEVERITIES[finding.severity] ?? "note"),
    make(
      "div", {},
      make("p", { class: "finding-head" }, make("strong", { class: "finding-kind" }, word(`finding_${finding.severity}`)), " ", make("span", { class: "muted" }, finding.rule)),
      make("p", { class: "finding-what" }, finding.explanation[language()]),
      places.length ? make("ul", { class: "hits" }, ...places.map(hitItem)) : null,
      more > 0 && places.length ? make("p", { class: "muted" }, counted("finding_more", more)) : null,
      make("p", { class: "finding-fix" }, make("strong", {}, word("finding_fix")), " ", finding.fix[language()]),
    ),
  );
}

const WEIGHT = { reject: 0, trust: 1, warn: 2 };

export function findingList(findings) {
  if (!findings.length) return make("p", { class: "calm none-found" }, icon("done"), word("findings_none"));
  const sorted = [...findings].sort((a, b) => (WEIGHT[a.severity] ?? 3) - (WEIGHT[b.severity] ?? 3));
  return make("ul", { class: "findings" }, ...sorted.map(findingItem));
}

// Verdicts of all profiles with the findings of the chosen one below.
export function checks(reports, own) {
  if (!reports.length) return make("p", { class: "calm" }, word("verdicts_none"));
  const rows = reports.map((report) => [report.profile, report.verdict]);
  const place = make("div", { class: "checks" });
  const title = make("h4");
  const found = make("div", { "aria-live": "polite" }, title);
  const choose = (profile, focus = true) => {
    const report = reports.find((row) => row.profile === profile);
    const unfolded = profile !== own || Boolean(place.querySelector("details")?.open);
    place.replaceChildren(verdictList(rows, own, { open: choose, chosen: profile, unfolded }));
    title.textContent = word("findings_of", { profile: profileName(profile) });
    found.replaceChildren(title, findingList(report.findings));
    if (!focus) return;
    place.querySelector("[aria-pressed=true]")?.focus({ preventScroll: true });
    found.scrollIntoView({ block: "nearest" }); // on a phone it is below all the rows
  };
  choose(reports.some((report) => report.profile === own) ? own : reports[0].profile, false);
  return make("div", { class: "check-pair" }, place, found);
}
