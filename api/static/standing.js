// Above everything else: a daemon that only watches, and a farm that heals after a restore. Calm, with what to do.

import { ask, Problem } from "./api.js";
import { confirmed } from "./confirm.js";
import { complain, icon, make, mark, say } from "./dom.js";
import { farm } from "./live.js";
import { counted, word } from "./words.js";

const SHOWN_HERE = new Set(["fenced", "restoring"]);
export const otherAlarms = () => farm.alarms.filter((alarm) => !SHOWN_HERE.has(alarm.code));

export function standing() {
  const rows = [];
  if (farm.fence) rows.push({ kind: "fence", ...farm.fence });
  if (farm.healing) rows.push({ kind: "healing", ...farm.healing });
  return rows;
}

function texts(now) {
  if (now.kind === "fence") {
    const values = { ...now, counted: word(`fence_counted_${now.counted}`, now) };
    return { title: word("fence_title"), what: word(`fence_${now.why.replace("-", "_")}`, values), step: word("fence_step") };
  }
  const told = word("healing_told", { told: now.told, nodes: now.nodes });
  const missing = now.missing.length ? word("healing_missing", { names: now.missing.slice(0, 8).join(", ") }) : "";
  return { title: word(`healing_${now.why.replace("-", "_")}`), what: `${told} ${counted("healing_found", now.found)}`, step: `${word("healing_step")} ${missing}` };
}

async function send(button, said, path) {
  mark(button, "disabled", true);
  mark(said, "data-bad", null);
  try {
    await ask("POST", path);
    say(said, word("sent"));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    complain(said, error.problem);
    button.removeAttribute("disabled");
  }
}

export function standingItem(row) {
  const title = make("strong");
  const what = make("span");
  const step = make("span", { class: "muted" });
  const said = make("span", { class: "said", role: "status" });
  const fence = row.kind === "fence";
  const ways = fence
    ? { yes: word("take_over"), ask: word("take_over_ask"), path: "/farm/take-over" }
    : { yes: word("healing_done"), ask: word("healing_done_ask"), path: "/farm/healing/done" };
  const button = make("button", {
    type: "button", class: fence ? "" : "quiet",
    onclick: async () => {
      if (await confirmed(ways.ask, ways.yes)) await send(button, said, ways.path);
    },
  }, ways.yes);
  const element = make(
    "div", { class: "standing", "data-kind": row.kind },
    icon(fence ? "attention" : "working"),
    make("p", {}, title, " ", what, " ", step), button, said,
  );
  const update = (now) => {
    const text = texts(now);
    say(title, text.title);
    say(what, text.what);
    say(step, text.step);
    mark(button, "hidden", now.kind === "healing" && !now.missing.length ? "" : null);
  };
  return { element, update };
}
