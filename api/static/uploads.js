// Files on their way into the library, whoever sent them, and what came of the newest.

import { draw, icon, make, mark, say } from "./dom.js";
import { profileName } from "./library.js";
import { farm } from "./live.js";
import { showUpload } from "./upload.js";
import { moment, word } from "./words.js";

const SHOWN = 6;
const SIGNS = { ready: "done", refused: "fault" };

export const newest = () => [...farm.uploads.values()].sort((a, b) => b.begun_at - a.begun_at).slice(0, SHOWN);

export function uploadItem(upload) {
  const sign = icon("working");
  const name = make("strong", { class: "says" });
  const what = make("span", { class: "muted says" });
  const state = make("span", { class: "upload-state" });
  const bar = make("progress", { max: 1 });
  const link = make("a", {}, word("to_program"));
  let latest = upload;
  const why = make("button", { type: "button", class: "quiet", onclick: () => showUpload(latest) }, word("upload_why"));
  const element = make("li", { class: "upload-row", "data-upload": upload.id }, sign, make("p", {}, name, " ", what), state, bar, link, why);
  const update = (now) => {
    latest = now;
    const ended = now.state === "ready" || now.state === "refused";
    mark(element, "data-state", now.state);
    draw(sign, SIGNS[now.state] ?? "working");
    say(name, now.name || word("upload_nameless"));
    say(what, `${now.revision} · ${profileName(now.profile)} · ${moment(now.begun_at)}`);
    say(state, word(`upload_state_${now.state}`));
    mark(bar, "hidden", ended ? "" : null);
    mark(bar, "aria-label", word("upload_progress", { name: now.name || word("upload_nameless") }));
    if (now.of > 0) bar.value = now.done / now.of;
    else bar.removeAttribute("value");
    mark(link, "hidden", now.program ? null : "");
    mark(link, "href", now.program ? `#program-${now.program}` : null);
    mark(why, "hidden", now.state === "refused" ? null : "");
  };
  return { element, update };
}
