// Ask before something that cannot be taken back. What is done in a person's name asks for that, and for the reason if there is one.

import { find, make, mark, say } from "./dom.js";
import { person, rememberPerson } from "./library.js";

const dialog = find("confirm");
const by = find("confirm-by");
const reason = find("confirm-reason");
find("confirm-no").addEventListener("click", () => dialog.close("no"));

// `signs`: asks nothing ("nobody"), for a name ("person"), or for a name and why ("reason").
function open(question, yes, lines, signs) {
  say(find("confirm-text"), question);
  say(find("confirm-yes"), yes);
  find("confirm-lines").replaceChildren(...lines.map((line) => make("li", { class: "says" }, line)));
  mark(find("confirm-lines"), "hidden", lines.length ? null : "");
  mark(find("confirm-signed"), "hidden", signs === "nobody" ? "" : null);
  mark(find("confirm-why"), "hidden", signs === "reason" ? null : "");
  dialog.querySelector("form").reset(); // and with it the marks of an earlier try
  by.required = signs !== "nobody"; // a field that nobody sees must not hold the form back
  by.value = person();
  dialog.returnValue = "no";
  dialog.showModal();
  if (by.required && !by.value) by.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

function name() {
  const given = by.value.trim();
  rememberPerson(given);
  return given || "operator";
}

// `lines` say what follows, one each.
export const confirmed = (question, yes, lines = []) => open(question, yes, lines, "nobody");

// In a person's name: { by }, or null when it is left.
export const namedFor = async (question, yes, lines = []) => ((await open(question, yes, lines, "person")) ? { by: name() } : null);

// The same with why: { by, reason }.
export const signedFor = async (question, yes, lines = []) =>
  (await open(question, yes, lines, "reason")) ? { by: name(), reason: reason.value.trim() } : null;
