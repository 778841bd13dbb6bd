// What a machine asks: its words, and a button for each choice. Used by the card of a printer and by the list of what needs a hand.

import { ask, Problem } from "./api.js";
import { complain, make, mark, say } from "./dom.js";
import { language, told, word } from "./words.js";

// A place that shows the question of a printer, and nothing while it asks none. Buttons are made anew only for another question.
export function questionPlace({ withText }) {
  const element = make("div", { class: "question" });
  let shown = "";
  const update = (printer) => {
    const prompt = printer.online ? printer.prompt : null;
    const key = prompt ? JSON.stringify([printer.id, prompt.id, printer.capabilities.includes("prompts")]) : "";
    if (key === shown) return;
    shown = key;
    mark(element, "hidden", prompt ? null : "");
    element.replaceChildren(...(prompt ? parts(printer, prompt, withText) : []));
  };
  mark(element, "hidden", "");
  return { element, update };
}

function parts(printer, prompt, withText) {
  const text = make("p", { class: "question-text" }, told(prompt, "text"));
  const answers = printer.capabilities.includes("prompts") ? choices(printer, prompt) : [make("p", { class: "muted" }, word("prompt_there"))];
  return withText ? [text, ...answers] : answers;
}

function choices(printer, prompt) {
  const said = make("p", { class: "said", role: "status" });
  const row = make("div", { class: "buttons", role: "group", "aria-label": word("prompt_of", { name: printer.name }) });
  const french = language() === "fr" && prompt.choices_fr?.length === prompt.choices.length; // else the words are the machine's
  const labels = prompt.choices.length ? (french ? prompt.choices_fr : prompt.choices) : [word("prompt_go_on")];
  labels.forEach((label, choice) => {
    const answer = () => send(row, said, printer.id, { prompt: prompt.id, choice });
    row.append(make("button", { type: "button", class: choice === 0 ? "primary" : "", onclick: answer }, label.trim() || word("prompt_choice", { number: choice + 1 })));
  });
  return [row, said];
}

async function send(row, said, printer, body) {
  const buttons = [...row.querySelectorAll("button")];
  for (const button of buttons) button.disabled = true; // one answer for each question
  mark(said, "data-bad", null);
  try {
    await ask("POST", `/printers/${encodeURIComponent(printer)}/answer`, body);
    say(said, word("prompt_sent"));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    complain(said, error.problem);
    for (const button of buttons) button.disabled = false;
  }
}
