// A named person answers for a program that the checks leave to people; or does no more.

import { ask, Problem } from "./api.js";
import { signedFor } from "./confirm.js";
import { complain, make, mark } from "./dom.js";
import { findingList } from "./findings.js";
import { person, personNeeded, rememberPerson } from "./library.js";
import { day, word } from "./words.js";

const pathOf = (program, what) => `/programs/${encodeURIComponent(program.sha256)}/${what}`;
let forms = 0;

async function send(button, said, path, body, done) {
  mark(button, "disabled", "");
  mark(said, "data-bad", null);
  try {
    done(await ask("POST", path, body));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    complain(said, error.problem, personNeeded);
    mark(button, "disabled", null);
  }
}

// What somebody must answer for: that, and nothing else, is read before the name is given.
function ownFindings(program) {
  const own = program.reports.find((report) => report.profile === program.profile);
  return own?.findings.filter((finding) => finding.severity === "trust") ?? [];
}

function releaseForm(program, done) {
  const id = `release-${(forms += 1)}`;
  const by = make("input", { id: `${id}-by`, name: "by", required: true, minlength: 2, maxlength: 80, autocomplete: "name", value: person() });
  const reason = make("input", { id: `${id}-reason`, name: "reason", required: true, minlength: 3, maxlength: 500 });
  const button = make("button", { type: "submit", class: "primary" }, word("release_do"));
  const said = make("p", { class: "said", role: "status" });
  const submit = async (event) => {
    event.preventDefault();
    rememberPerson(by.value.trim());
    const rules = ownFindings(program).map((finding) => finding.rule); // what this person has read, and nothing found since
    await send(button, said, pathOf(program, "release"), { by: by.value.trim(), reason: reason.value.trim(), rules }, done);
  };
  return make(
    "form", { class: "release", onsubmit: submit, autocomplete: "off" },
    make("h4", {}, word("release_title")),
    findingList(ownFindings(program)),
    make("p", {}, word("release_why")),
    make("p", { class: "muted" }, word("release_who")),
    make("div", { class: "release-fields" },
      make("div", {}, make("label", { for: by.id }, word("release_by")), by),
      make("div", {}, make("label", { for: reason.id }, word("release_reason")), reason)),
    button, said,
  );
}

function withdrawal(program, done) {
  const said = make("p", { class: "said", role: "status" });
  const values = { name: program.released_by, date: day(program.released_at ?? 0), reason: program.release_reason };
  const button = make("button", {
    type: "button", class: "quiet",
    onclick: async () => {
      const question = word("release_withdraw_ask", { name: program.name || program.revision });
      const signed = await signedFor(question, word("release_withdraw"));
      if (signed) await send(button, said, pathOf(program, "withdraw"), signed, done);
    },
  }, word("release_withdraw"));
  return make("div", { class: "release" }, make("p", { class: "says" }, word("release_by_whom", values)), button, said);
}

// What can be done about the verdict of a program, null when nothing has to be. `done(program)` is called after a change.
export function releasePlace(program, done) {
  if (program.verdict !== "trusted-only") return null;
  if (program.released_by) return withdrawal(program, done);
  const worse = program.worse_since ? make("p", { class: "warned" }, word("release_worse")) : null;
  const place = releaseForm(program, done);
  if (worse) place.prepend(worse);
  return place;
}

