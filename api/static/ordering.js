// The form for a new order: of which design and revision, for whom; and why something cannot be ordered.

import { ask, newKey, Problem } from "./api.js";
import { complain, find, make, mark, say } from "./dom.js";
import { library, stateOf } from "./library.js";
import { farm } from "./live.js";
import { word } from "./words.js";

let key = newKey(); // the same until an order is placed: a second click orders nothing twice
let changed = () => {};

const field = (name) => find("order-form").elements[name];
const design = () => library.designs.find((row) => row.id === field("design").value);
const requester = () => library.requesters.find((row) => row.id === field("requester").value);
const approved = (who, revision) => !who?.approves || who.approvals.some((approval) => approval.revision === revision);
const released = (row) => row.revisions.filter((revision) => stateOf(row, revision) === "released");

function fill(select, options, chosen) {
  const texts = JSON.stringify(options);
  if (select.dataset.options !== texts) {
    select.dataset.options = texts;
    select.replaceChildren(...options.map(([value, text, off]) => make("option", { value, disabled: off }, text)));
  }
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

// Show what can be ordered, and for whom: of what is known of the library.
export function drawOrdering() {
  fill(field("design"), library.designs.map((row) => [row.id, row.name]), field("design").value);
  const row = design();
  const revisions = (row?.revisions ?? []).map((id) => {
    const state = stateOf(row, id);
    return [id, state === "released" ? id : `${id} · ${word(`revision_${state}`)}`, state !== "released"];
  });
  const chosen = field("revision").selectedOptions[0]?.disabled ? "" : field("revision").value;
  fill(field("revision"), [["", word("order_revision_newest")], ...revisions], chosen);
  fill(field("requester"), [["", word("order_requester_none")], ...library.requesters.map((who) => [who.id, who.name])], field("requester").value);
  mark(find("order-requester-row"), "hidden", library.requesters.length ? null : "");
  mark(find("order-revision-row"), "hidden", (row?.revisions.length ?? 0) > 1 ? null : "");
  explain();
}

// Which revision this order means: the rule of the daemon, told before.
function meant(row, who) {
  const named = field("revision").value;
  if (named) return approved(who, named) ? { revision: named } : { problem: word("order_not_approved_this", { name: who.name, revision: named }) };
  const all = released(row);
  if (!all.length) return { problem: word("order_not_released") };
  const revision = all.find((id) => approved(who, id));
  return revision ? { revision } : { problem: word("order_not_approved", { name: who.name }) };
}

const printable = (revision) => library.programs.some((program) => program.revision === revision && program.usable);

function explain() {
  const row = design();
  const place = find("order-why");
  const nothing = library.loaded ? word("order_no_designs") : "";
  const { revision = null, problem = nothing } = row ? meant(row, requester()) : {};
  const text = requester()?.approves ? word("order_gives_approved", { revision, name: requester().name }) : word("order_gives", { revision });
  const waits = revision && !printable(revision);
  mark(place, "data-bad", (revision ? waits : problem) ? "" : null);
  say(place, revision ? (waits ? word("order_not_usable", { revision }) : text) : problem);
  const button = find("order-form").querySelector("button");
  if (button.dataset.fenced === undefined && !farm.fence) mark(button, "disabled", revision ? null : "");
}

function orderBody() {
  const body = {
    quantity: field("quantity").valueAsNumber,
    priority: Number(field("priority").value),
    destination: field("destination").value.trim(),
  };
  if (field("revision").value) body.revision = field("revision").value;
  else body.design = field("design").value;
  if (requester()) body.requester = requester().id;
  return body;
}

// Choose this in the form, for a click elsewhere on "Order it".
export function startOrder(revision, designId) {
  field("design").value = designId;
  drawOrdering();
  field("revision").value = design()?.revisions[0] === revision ? "" : revision;
  drawOrdering();
  field("quantity").focus();
  field("quantity").select();
}

// `render` shows what follows from a change.
export function installForm(render) {
  changed = render;
  const form = find("order-form");
  const said = find("order-said");
  form.addEventListener("input", () => { key = newKey(); });
  form.addEventListener("change", () => { drawOrdering(); changed(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    mark(button, "disabled", "");
    mark(said, "data-bad", null);
    try {
      const order = await ask("POST", "/orders", orderBody(), { "Idempotency-Key": key });
      say(said, word("order_placed", { quantity: order.quantity, design: order.revision }));
      key = newKey();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      complain(said, error.problem);
    } finally {
      mark(button, "disabled", null);
      explain();
    }
  });
}
