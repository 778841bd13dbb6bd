// Designs with their revisions, and the programs that print them.

import { ask, Problem } from "./api.js";
import { signedFor } from "./confirm.js";
import { complain, draw, icon, make, mark, say, show } from "./dom.js";
import { verdictSign } from "./findings.js";
import { library, profileName, stateOf } from "./library.js";
import { picture, programName, programsOf, statePill } from "./program.js";
import { counted, duration, number, word } from "./words.js";

const SIGNS = { draft: "draft", released: "done", recalled: "fault" };
const MOODS = { draft: "calm", released: "good", recalled: "bad" };

function programItem(program) {
  const pill = statePill();
  const title = make("strong", { class: "says" });
  const what = make("span", { class: "muted says" });
  const facts = make("span", { class: "program-facts" });
  const verdict = make("span");
  const link = make(
    "a", { class: "program-row", href: `#program-${program.sha256}` },
    picture(program.sha256, ""), make("span", { class: "program-what" }, title, what), facts, verdict, pill.element,
  );
  const update = (now) => {
    say(title, programName(now));
    say(what, `${profileName(now.profile)} · ${now.material}`);
    say(facts, [`${number(now.parts)} ×`, duration(now.estimated_s), `${number(now.filament_g, 1)} g`].join(" · "));
    if (verdict.dataset.verdict !== now.verdict) {
      verdict.dataset.verdict = now.verdict;
      verdict.replaceChildren(verdictSign(now.verdict));
    }
    pill.update(now);
  };
  return { element: make("li", { "data-program": program.sha256 }, link), update };
}

async function act(said, path, signed, tell) {
  mark(said, "data-bad", null);
  try {
    say(said, tell(await ask("POST", path, signed)));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    complain(said, error.problem);
  }
}

const recalledText = (view) => word("revision_recall_done", { withdrawn: view.withdrawn_jobs, running: view.running.length, stock: view.stock_set_aside });

function whyNot(row, programs) {
  if (row.state !== "released") return word(`revision_not_ordered_${row.state}`);
  return programs.some((program) => program.usable) ? "" : word("revision_not_ordered_programs");
}

function approvers(revision) {
  return library.requesters.filter((requester) => requester.approvals.some((approval) => approval.revision === revision)).map((requester) => requester.name);
}

// `order(revision, design)` leads to the form for orders.
function revisionItem(first, order) {
  const sign = icon("idle");
  const state = make("span");
  const pill = make("span", { class: "pill" }, sign, state);
  const count = make("span", { class: "muted" });
  const why = make("p", { class: "muted" });
  const approved = make("p", { class: "muted says" });
  const said = make("p", { class: "said", role: "status" });
  const list = make("ul", { class: "programs" });
  const path = (what) => `/revisions/${encodeURIComponent(first.id)}/${what}`;
  const name = { revision: first.id };
  const button = (key, kind, action) => make("button", { type: "button", class: kind, onclick: action }, word(key));
  const give = button("to_order", "", () => order(first.id, first.design.id));
  const release = button("revision_release", "primary", async () => {
    const signed = await signedFor(word("revision_release_ask", name), word("revision_release"));
    if (signed) await act(said, path("release"), signed, () => "");
  });
  const recall = button("revision_recall", "danger", async () => {
    const signed = await signedFor(word("revision_recall_ask", name), word("revision_recall"));
    if (signed) await act(said, path("recall"), signed, recalledText);
  });
  const summary = make("summary", {}, make("strong", { class: "says" }, first.id), pill, count);
  const audit = make("a", { class: "button quiet", href: `#audit-${first.id}` }, word("revision_audit"));
  const buttons = make("div", { class: "buttons" }, give, release, recall, audit);
  const element = make("details", { class: "revision", "data-revision": first.id, open: first.newest }, summary, list, why, approved, buttons, said);
  const update = (row) => {
    const programs = programsOf(row.id);
    draw(sign, SIGNS[row.state]);
    say(state, word(`revision_${row.state}`));
    mark(pill, "data-mood", MOODS[row.state]);
    say(count, counted("revision_programs", programs.length));
    say(why, whyNot(row, programs));
    const names = approvers(row.id);
    say(approved, names.length ? word("revision_approvals", { names: names.join(", ") }) : "");
    mark(give, "hidden", row.state === "released" ? null : "");
    mark(release, "hidden", row.state === "draft" ? null : "");
    mark(recall, "hidden", row.state === "recalled" ? "" : null);
    if (element.open) show(list, programs, (program) => program.sha256, programItem);
  };
  element.addEventListener("toggle", () => { if (element.open) show(list, programsOf(first.id), (program) => program.sha256, programItem); });
  return { element, update };
}

export function designItem(order) {
  return (design) => {
    const name = make("h3", { class: "says" });
    const list = make("div", { class: "revisions" });
    const element = make("li", { class: "design", "data-design": design.id }, name, list);
    const update = (now) => {
      say(name, now.name);
      const rows = now.revisions.map((id, index) => ({ id, design: now, state: stateOf(now, id), newest: index === 0 }));
      show(list, rows, (row) => row.id, (row) => revisionItem(row, order));
    };
    return { element, update };
  };
}

export const sortedDesigns = () => [...library.designs].sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
export const waitingPrograms = () => library.programs.filter((program) => !program.usable && program.verdict === "trusted-only" && !isRecalled(program)).length;

const isRecalled = (program) => library.designs.some((design) => design.recalled.includes(program.revision));
