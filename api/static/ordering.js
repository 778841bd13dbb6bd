// The form for a new order: of which design and revision, for whom; and why something cannot be ordered.

import { ask, newKey, Problem } from "./api.js";
import { complain, find, make, mark, say } from "./dom.js";
import { stateOf } from "./library.js";
import { farm } from "./live.js";
import { word } from "./words.js";

let key = newKey(); // the same until an order is placed: a second click orders nothing twice
let designs = [];
let requesters = [];
let usable = { revision: null, programs: true }; // of the revision that is shown
let loaded = "";
let changed = () => {};

const field = (name) => find("order-form").elements[name];
const design = () => designs.find((row) => row.id === field("design").value);
const requester = () => requesters.find((row) => row.id === field("requester").value);
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

// Fetch what can be ordered, and for whom; `version` names the state of the library that is wanted.
export async function loadDesigns(version = null) {
  if (version !== null && version === loaded) return;
  try {
    [designs, requesters] = await Promise.all([ask("GET", "/designs"), ask("GET", "/requesters")]);
    if (version !== null) loaded = version;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return; // the connection indicator says why
  }
  usable = { revision: null, programs: true };
  drawOrdering();
  changed();
}

export function drawOrdering() {
  fill(field("design"), designs.map((row) => [row.id, row.name]), field("design").value);
  const row = design();
  const revisions = (row?.revisions ?? []).map((id) => {
    const state = stateOf(row, id);
    return [id, state === "released" ? id : `${id} · ${word(`revision_${state}`)}`, state !== "released"];
  });
  const chosen = field("revision").selectedOptions[0]?.disabled ? "" : field("revision").value;
  fill(field("revision"), [["", word("order_revision_newest")], ...revisions], chosen);
  fill(field("requester"), [["", word("order_requester_none")], ...requesters.map((who) => [who.id, who.name])], field("requester").value);
  mark(find("order-requester-row"), "hidden", requesters.length ? null : "");
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

function explain() {
  const row = design();
  const place = find("order-why");
  const { revision = null, problem = "" } = row ? meant(row, requester()) : { problem: word("order_no_designs") };
  const text = requester()?.approves ? word("order_gives_approved", { revision, name: requester().name }) : word("order_gives", { revision });
  const waits = revision && usable.revision === revision && !usable.programs;
  mark(place, "data-bad", problem || waits ? "" : null);
  say(place, problem || (waits ? word("order_not_usable", { revision }) : text));
  const button = find("order-form").querySelector("button");
  if (button.dataset.fenced === undefined && !farm.fence) mark(button, "disabled", problem ? "" : null);
  if (revision && usable.revision !== revision) look(revision);
}

async function look(revision) {
  usable = { revision, programs: true };
  try {
    const view = await ask("GET", `/revisions/${encodeURIComponent(revision)}`);
    if (usable.revision === revision) usable.programs = view.programs.some((program) => program.usable);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
  if (!usable.programs) explain();
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
export async function startOrder(revision, designId) {
  await loadDesigns();
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
