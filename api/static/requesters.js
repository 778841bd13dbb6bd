// Requesters, and which revisions they have approved.

import { ask, Problem } from "./api.js";
import { namedFor, signedFor } from "./confirm.js";
import { complain, find, make, mark, say, show } from "./dom.js";
import { library, personNeeded, signed, stateOf } from "./library.js";
import { counted, day, word } from "./words.js";

const pathOf = (requester, more = "") => `/requesters/${encodeURIComponent(requester.id)}${more}`;

async function act(said, work, done = "") {
  mark(said, "data-bad", null);
  try {
    await work();
    say(said, done);
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    complain(said, error.problem, personNeeded);
    return false;
  }
}

// Revisions that can be approved still: none that was recalled, none that it has already.
function approvable(requester) {
  const has = new Set(requester.approvals.map((approval) => approval.revision));
  return library.designs.flatMap((design) => design.revisions.filter((id) => !has.has(id) && stateOf(design, id) !== "recalled"));
}

function approvalItem(said, requesterOf) {
  return (approval) => {
    const who = make("span", { class: "muted says" });
    const withdraw = async () => {
      const requester = requesterOf();
      const values = { revision: approval.revision, name: requester.name };
      const by = await signedFor(word("approval_withdraw_ask", values), word("approval_withdraw"));
      const path = pathOf(requester, `/approvals/${encodeURIComponent(approval.revision)}/withdraw`);
      if (by) await act(said, () => ask("POST", path, by));
    };
    const button = make("button", { type: "button", class: "quiet", onclick: withdraw, "aria-label": `${word("approval_withdraw")}: ${approval.revision}` }, word("approval_withdraw"));
    const element = make("li", { class: "approval", "data-revision": approval.revision }, make("strong", { class: "says" }, approval.revision), who, button);
    const update = (now) => say(who, [word("approval_by", { name: now.approved_by, date: day(now.approved_at) }), now.note].filter(Boolean).join(" · "));
    return { element, update };
  };
}

function approvalForm(first, said, requesterOf) {
  const id = `approve-${first.id}`;
  const revision = make("select", { id: `${id}-revision`, name: "revision", required: true });
  const by = make("input", { id: `${id}-by`, name: "by", required: true, minlength: 2, maxlength: 80 }); // of the requester: no operator
  const submit = async (event) => {
    event.preventDefault();
    const body = { revision: revision.value, by: by.value.trim() };
    if (await act(said, () => ask("POST", pathOf(requesterOf(), "/approvals"), body))) by.value = ""; // each one is said anew
  };
  const element = make(
    "form", { class: "approve", onsubmit: submit, "aria-label": word("approval_add_title", { name: first.name }) },
    make("div", {}, make("label", { for: revision.id }, word("approval_revision")), revision),
    make("div", {}, make("label", { for: by.id }, word("approval_contact")), by),
    make("button", { type: "submit" }, word("approval_add")),
  );
  const update = (requester) => {
    const ids = ["", ...approvable(requester)];
    if ([...revision.options].map((option) => option.value).join(" ") !== ids.join(" ")) {
      const before = revision.value;
      revision.replaceChildren(...ids.map((value) => make("option", { value }, value || word("approval_choose"))));
      revision.value = ids.includes(before) ? before : ""; // no revision is approved because it stood there
    }
    mark(element, "hidden", ids.length > 1 ? null : "");
  };
  return { element, update };
}

// Another name for it: a field in the place of the name, until it is saved or left.
function renaming(first, said, requesterOf) {
  const id = `rename-${first.id}`;
  const field = make("input", { id, name: "name", required: true, maxlength: 80 });
  const open = (wanted) => {
    mark(form, "hidden", wanted ? null : "");
    mark(button, "hidden", wanted ? "" : null);
    mark(button, "aria-expanded", String(wanted));
    if (!wanted) return button.focus();
    field.value = requesterOf().name;
    field.focus();
    return field.select();
  };
  const submit = async (event) => {
    event.preventDefault();
    if (await act(said, () => ask("PATCH", pathOf(requesterOf()), { name: field.value.trim(), ...signed() }), word("requester_renamed"))) open(false);
  };
  const button = make("button", { type: "button", class: "quiet", onclick: () => open(true), "aria-expanded": "false" }, word("requester_rename"));
  const leave = make("button", { type: "button", class: "quiet", onclick: () => open(false) }, word("requester_rename_leave"));
  const form = make(
    "form", { class: "rename", hidden: true, onsubmit: submit, autocomplete: "off" },
    make("div", {}, make("label", { for: id }, word("requester_new_name")), field), make("button", { type: "submit" }, word("requester_rename_do")), leave,
  );
  form.addEventListener("keydown", (event) => { if (event.key === "Escape") open(false); });
  return { button, form };
}

async function remove(requester, said) {
  const lines = [counted("requester_remove_approvals", requester.approvals.length), word("requester_remove_orders")];
  const by = await namedFor(word("requester_remove_ask", { name: requester.name }), word("requester_remove"), lines);
  if (by && (await act(said, () => ask("DELETE", `${pathOf(requester)}?${new URLSearchParams(by)}`)))) find("requesters-title").focus();
}

export function requesterItem(first) {
  let latest = first;
  const name = make("h3", { class: "says" });
  const kind = make("span", { class: "muted" });
  const none = make("p", { class: "warned" });
  const said = make("p", { class: "said", role: "status" });
  const list = make("ul", { class: "approvals" });
  const form = approvalForm(first, said, () => latest);
  const change = make("button", {
    type: "button", class: "quiet",
    onclick: async () => {
      const key = latest.approves ? "requester_change_free" : "requester_change_strict";
      const by = await namedFor(word(`${key}_ask`, { name: latest.name }), word(key));
      if (by) await act(said, () => ask("PATCH", pathOf(latest), { approves: !latest.approves, ...by }));
    },
  });
  const naming = renaming(first, said, () => latest);
  const forget = make("button", { type: "button", class: "quiet", onclick: () => remove(latest, said) }, word("requester_remove"));
  const buttons = make("div", { class: "buttons" }, change, naming.button, forget);
  const element = make("li", { class: "requester panel", "data-requester": first.id }, make("header", {}, name, kind, buttons), naming.form, none, list, form.element, said);
  const update = (now) => {
    latest = now;
    say(name, now.name);
    const facts = [word(now.approves ? "requester_strict" : "requester_free")];
    if (now.open_orders) facts.push(counted("requester_orders", now.open_orders));
    say(kind, facts.join(" · "));
    say(change, word(now.approves ? "requester_change_free" : "requester_change_strict"));
    say(none, now.approves && !now.approvals.length ? word("requester_no_approvals") : "");
    for (const [button, key] of [[naming.button, "requester_rename"], [forget, "requester_remove"]]) mark(button, "aria-label", `${word(key)}: ${now.name}`);
    show(list, now.approvals, (approval) => approval.revision, approvalItem(said, () => latest));
    form.update(now);
  };
  return { element, update };
}

export function installRequesters() {
  const form = find("requester-form");
  const said = find("requester-said");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = { name: form.elements.name.value.trim(), approves: form.elements.approves.checked, ...signed() };
    if (await act(said, () => ask("POST", "/requesters", body), word("requester_added"))) form.reset();
  });
}
