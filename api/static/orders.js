// Orders: one row each.

import { ask, Problem } from "./api.js";
import { confirmed } from "./confirm.js";
import { complain, make, mark, say } from "./dom.js";
import { sentence, word } from "./words.js";

const RANK = { open: 0, met: 1, cancelled: 2 };

export const sorted = (orders) =>
  [...orders].sort((a, b) => RANK[a.state] - RANK[b.state] || b.priority - a.priority || a.created_at - b.created_at);

export function orderRow(order) {
  const what = make("strong");
  const whom = make("span", { class: "whom" });
  const progress = make("progress");
  const count = make("span", { class: "order-count" });
  const more = make("span", { class: "muted" });
  const owed = make("td", { class: "number owed" });
  const state = make("span", { class: "order-state" });
  const why = make("span", { class: "muted" });
  const said = make("span", { class: "said", role: "status" });
  let latest = order;
  const cancel = make("button", { type: "button", class: "quiet", onclick: () => cancelOrder(latest, said) }, word("order_cancel"));
  const element = make(
    "tr", { "data-order": order.id },
    make("td", { class: "what" }, what, whom),
    make("td", { class: "made" }, progress, make("span", { class: "made-text" }, count, more)),
    owed, make("td", { class: "state-cell" }, state, why, said), make("td", { class: "row-actions" }, cancel),
  );
  const update = (now) => {
    latest = now;
    mark(element, "data-state", now.state);
    say(what, now.revision);
    say(whom, [now.requester_name && word("for_requester", { name: now.requester_name }), now.destination].filter(Boolean).join(" · "));
    progress.max = now.quantity;
    progress.value = Math.min(now.good, now.quantity);
    mark(progress, "aria-label", word("progress_of", { name: now.revision }));
    say(count, word("order_count", { good: now.good, quantity: now.quantity }));
    const extra = [];
    if (now.expected > 0 && now.state === "open") extra.push(word("order_expected", { count: now.expected }));
    if (now.scrap > 0) extra.push(word("order_scrap", { count: now.scrap }));
    say(more, extra.join(" · "));
    say(owed, String(now.owed));
    mark(owed, "data-label", word("order_owed"));
    say(state, word(`order_${now.state}`));
    say(why, now.state === "open" ? now.why_waiting.map(sentence).join(" · ") : "");
    mark(cancel, "hidden", now.state === "open" ? null : "");
  };
  return { element, update };
}

async function cancelOrder(order, said) {
  const question = word("order_cancel_ask", { quantity: order.quantity, revision: order.revision });
  if (!(await confirmed(question, word("order_cancel_yes")))) return;
  try {
    await ask("POST", `/orders/${encodeURIComponent(order.id)}/cancel`);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    complain(said, error.problem);
  }
}
