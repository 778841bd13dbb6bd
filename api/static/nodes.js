// Nodes: the agents beside the printers.

import { icon, make, mark, say } from "./dom.js";
import { silenceOf } from "./live.js";
import { duration, word } from "./words.js";

export function nodeItem(node) {
  const name = make("strong");
  const state = make("span", { class: "node-state" });
  const more = make("span", { class: "muted" });
  const element = make("li", { class: "node", "data-node": node.id }, icon("node"), name, state, more);
  const update = (now) => {
    const silent = now.suspect || !now.online;
    mark(element, "data-state", silent ? "silent" : "online");
    say(name, now.name);
    const quiet = now.silent_s === null ? word("node_offline") : word("node_suspect", { time: duration(silenceOf(now)) });
    say(state, silent ? quiet : word("node_online"));
    const count = now.printers.length;
    const facts = [word(count === 1 ? "node_printers_one" : "node_printers", { count })];
    if (now.journal_behind > 0) facts.push(word("node_behind", { count: now.journal_behind }));
    if (now.agent) facts.push(now.agent);
    say(more, facts.join(" · "));
  };
  return { element, update };
}
