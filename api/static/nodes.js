// Nodes: the agents beside the printers.

import { icon, make, mark, say } from "./dom.js";
import { silenceOf } from "./live.js";
import { counted, duration, sentence, word } from "./words.js";

export const isSilent = (node) => !node.not_known && (node.suspect || !node.online);
export const nodeName = (node) => (node.id === "people" ? word("node_people") : node.name);
export const silence = (node) => (node.silent_s === null ? word("node_never") : word("node_away", { time: duration(silenceOf(node)) }));

export function nodeItem(node) {
  const name = make("strong");
  const state = make("span", { class: "node-state" });
  const more = make("span", { class: "muted" });
  const element = make("li", { class: "node", "data-node": node.id }, icon("node"), name, state, more);
  const update = (now) => {
    const silent = isSilent(now);
    mark(element, "data-state", silent || now.not_known ? "silent" : "online");
    say(name, nodeName(now));
    say(state, now.not_known ? sentence(now.not_known) : silent ? silence(now) : word("node_online"));
    const facts = [counted("node_printers", now.printers.length)];
    if (!silent && !now.not_known && !now.told) facts.push(word("node_untold"));
    if (now.journal_behind > 0) facts.push(counted("node_behind", now.journal_behind));
    if (now.agent) facts.push(now.agent);
    say(more, facts.join(" · "));
  };
  return { element, update };
}
