// Sends a file with progress. `fetch` cannot tell how much has gone, so this is the older way.

import { Problem } from "./api.js";
import { ownProblem } from "./words.js";

const local = (...words) => new Problem(ownProblem("here", ...words));

async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

function problemOf(request) {
  let content = null;
  try {
    content = JSON.parse(request.responseText);
  } catch {
    // not the daemon's own answer: a proxy's, or none
  }
  if (request.status === 429) return local("upload_throttled");
  return content?.code ? new Problem(content) : local("upload_cut", "upload_cut_step");
}

// Send `fields` and `file`; `tell(done, of)` hears of bytes. `promise` is the daemon's first word on the upload, or a Problem whose code
// is "here" when the words are our own; `stop()` gives up.
export function sendFile(file, fields, tell) {
  const request = new XMLHttpRequest();
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", file, "program"); // its own name is in the field `name`
  const promise = new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", (event) => tell(event.loaded, event.lengthComputable ? event.total : file.size));
    request.addEventListener("load", () => {
      if (request.status >= 300 || request.status < 200) return reject(problemOf(request));
      try {
        return resolve(JSON.parse(request.responseText));
      } catch {
        return reject(problemOf(request));
      }
    });
    request.addEventListener("abort", () => reject(local("upload_stopped")));
    request.addEventListener("error", async () => {
      reject((await readable(file)) ? local("upload_cut", "upload_cut_step") : local("upload_gone_file"));
    });
    request.open("POST", "/api/v1/programs");
    request.setRequestHeader("Prefer", "respond-async");
    request.send(form);
  });
  return { promise, stop: () => request.abort() };
}
