// Ask before something that cannot be taken back.

import { find, say } from "./dom.js";

export function confirmed(question, yes) {
  const dialog = find("confirm");
  say(find("confirm-text"), question);
  say(find("confirm-yes"), yes);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
