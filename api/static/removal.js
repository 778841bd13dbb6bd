// Forgetting a program that was uploaded by mistake: what goes with it is told first; a program that was used stays, with the reason.

import { ask, Problem } from "./api.js";
import { signedFor } from "./confirm.js";
import { complain, make, mark } from "./dom.js";
import { library } from "./library.js";
import { farm } from "./live.js";
import { counted, word } from "./words.js";

const nameOf = (program) => program.name || program.revision;

// An empty revision is forgotten as well, unless something names it: the rule of the daemon, told before.
function revisionLines({ revision, sha256 }) {
  if (library.programs.some((other) => other.revision === revision && other.sha256 !== sha256)) return [word("remove_others", { revision })];
  const open = [...farm.orders.values()].filter((order) => order.revision === revision && order.state === "open").length;
  if (open) return [`${word("remove_revision_stays", { revision })} ${counted("remove_orders", open)}`];
  const named = [...farm.orders.values(), ...farm.stock, ...library.requesters.flatMap((requester) => requester.approvals)];
  const design = library.designs.find((row) => row.revisions.includes(revision));
  if (design?.recalled.includes(revision) || named.some((row) => row.revision === revision)) return [word("remove_revision_stays", { revision })];
  const alone = design?.revisions.length === 1;
  return [alone ? word("remove_design_goes", { revision, design: design.name }) : word("remove_revision_goes", { revision })];
}

export function lostWith(program) {
  const lines = [word("remove_file"), ...revisionLines(program)];
  if (program.released_by) lines.push(word("remove_release", { name: program.released_by }));
  return [...lines, word("remove_audit")];
}

function refusal(problem, program) {
  return problem.code === "program-used" ? word("remove_used", { revision: program.revision }) : undefined;
}

// `gone()` is called once the farm knows it no more.
export function removalPlace(program, gone) {
  const said = make("p", { class: "said", role: "status" });
  const remove = async () => {
    const signed = await signedFor(word("remove_ask", { name: nameOf(program) }), word("remove_do"), lostWith(program));
    if (!signed) return;
    mark(said, "data-bad", null);
    mark(button, "disabled", "");
    try {
      await ask("DELETE", `/programs/${encodeURIComponent(program.sha256)}?${new URLSearchParams(signed)}`);
      gone();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      complain(said, error.problem, (problem) => refusal(problem, program));
      mark(button, "disabled", null);
    }
  };
  const button = make("button", { type: "button", class: "danger", onclick: remove }, word("remove"));
  const text = make("p", { class: "muted" }, word("remove_what"));
  return make("section", { class: "part removal" }, make("h3", {}, word("remove_title")), text, make("div", { class: "buttons" }, button), said);
}
