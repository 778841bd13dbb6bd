// Requesters, and which revisions they have approved.

import { ask, Problem } from "./api.js";
import { confirmed } from "./confirm.js";
import { complain, find, make, mark, say, show } from "./dom.js";
import { library, person, rememberPerson, signed, stateOf } from "./library.js";
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
    complain(said, error.problem);
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
      if (!(await confirmed(word("approval_withdraw_ask", values), word("approval_withdraw")))) return;
      const path = pathOf(requester, `/approvals/${encodeURIComponent(approval.revision)}/withdraw`);
      await act(said, () => ask("POST", path, signed()));
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
  const by = make("input", { id: `${id}-by`, name: "by", required: true, minlength: 2, maxlength: 80, value: person() });
  const submit = async (event) => {
    event.preventDefault();
    rememberPerson(by.value.trim());
    await act(said, () => ask("POST", pathOf(requesterOf(), "/approvals"), { revision: revision.value, by: by.value.trim() }));
  };
  const element = make(
    "form", { class: "approve", onsubmit: submit, "aria-label": word("approval_add_title", { name: first.name }) },
    make("div", {}, make("label", { for: revision.id }, word("approval_revision")), revision),
    make("div", {}, make("label", { for: by.id }, word("approval_contact")), by),
    make("button", { type: "submit" }, word("approval_add")),
  );
  const update = (requester) => {
    const ids = approvable(requester);
    if ([...revision.options].map((option) => option.value).join(" ") !== ids.join(" ")) {
      const before = revision.value;
      revision.replaceChildren(...ids.map((value) => make("option", { value }, value)));
      if (ids.includes(before)) revision.value = before;
    }
    mark(element, "hidden", ids.length ? null : "");
  };
  return { element, update };
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
    onclick: () => act(said, () => ask("PATCH", pathOf(latest), { approves: !latest.approves, ...signed() })),
  });
  const element = make("li", { class: "requester panel", "data-requester": first.id }, make("header", {}, name, kind, change), none, list, form.element, said);
  const update = (now) => {
    latest = now;
    say(name, now.name);
    const facts = [word(now.approves ? "requester_strict" : "requester_free")];
    if (now.open_orders) facts.push(counted("requester_orders", now.open_orders));
    say(kind, facts.join(" · "));
    say(change, word(now.approves ? "requester_change_free" : "requester_change_strict"));
    say(none, now.approves && !now.approvals.length ? word("requester_no_approvals") : "");
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
