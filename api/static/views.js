// Which view of the page is shown: the farm, the library, or one program. The address says it, so that it can be kept and sent.

import { installAudit, showAudit } from "./audit.js";
import { designItem, sortedDesigns, waitingPrograms } from "./designs.js";
import { complain, find, make, mark, say, show } from "./dom.js";
import { library, refresh } from "./library.js";
import { farm } from "./live.js";
import { drawOrdering, startOrder } from "./ordering.js";
import { showProgram } from "./program.js";
import { installRequesters, requesterItem } from "./requesters.js";
import { drawUpload, forgetUpload, installUpload, libraryChanged } from "./upload.js";
import { newest, uploadItem } from "./uploads.js";
import { counted, language } from "./words.js";

const PROGRAM = /^#program-([0-9a-f]{64})$/;
const AUDIT = /^#audit(?:-([\w.-]{1,140}))?$/;
const NAMES = ["farm", "library", "program", "audit"];
const TITLES = { library: "upload-title", audit: "audit-title" };
const byName = (rows) => [...rows].sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));

let render = () => {};
let spoken = "";

export function viewOf(hash) {
  const program = PROGRAM.exec(hash)?.[1] ?? null;
  const about = AUDIT.exec(hash);
  if (about) return { name: "audit", about: about[1] ?? "" };
  return { name: program ? "program" : hash === "#library" ? "library" : "farm", program };
}

function drawViews(view) {
  for (const name of NAMES) mark(document.getElementById(`view-${name}`), "hidden", view.name === name ? null : "");
  mark(find("nav-farm"), "aria-current", view.name === "farm" ? "page" : null);
  mark(find("nav-library"), "aria-current", { library: "page", program: "true" }[view.name] ?? null);
  mark(find("nav-audit"), "aria-current", view.name === "audit" ? "page" : null);
}

function drawWaiting() {
  const waiting = waitingPrograms();
  say(find("nav-waiting"), waiting ? String(waiting) : "");
  mark(find("nav-waiting"), "title", waiting ? counted("nav_waiting", waiting) : null);
  mark(find("nav-waiting"), "aria-label", waiting ? counted("nav_waiting", waiting) : null);
}

export function drawLibrary() {
  const view = viewOf(location.hash);
  drawViews(view);
  refresh(fetched, view.name === "farm" ? { pause_ms: 5_000 } : {});
  drawWaiting();
  if (view.name === "farm") return;
  if (view.name === "program") {
    const force = spoken !== language() && library.loaded;
    if (force) spoken = language();
    if (library.loaded) showProgram(view.program, { force });
    return;
  }
  if (view.name === "audit") {
    if (library.loaded || library.problem) showAudit(view.about);
    return;
  }
  drawUpload();
  show(find("uploads"), newest(), (row) => row.id, uploadItem);
  mark(find("uploads-part"), "hidden", farm.uploads.size ? null : "");
  show(find("designs"), sortedDesigns(), (design) => design.id, designItem(order));
  mark(find("designs-none"), "hidden", library.loaded && !library.designs.length ? null : "");
  show(find("requesters"), byName(library.requesters), (requester) => requester.id, requesterItem);
  mark(find("requesters-none"), "hidden", library.loaded && !library.requesters.length ? null : "");
  if (library.problem) complain(find("library-said"), library.problem);
  else say(find("library-said"), "");
}

function fetched() {
  find("upload-designs").replaceChildren(...library.designs.map((design) => make("option", { value: design.name })));
  drawOrdering();
  libraryChanged();
  render();
}

function order(revision, design) {
  location.hash = "#farm";
  startOrder(revision, design);
}

// In another language everything is said anew.
export function forgetLibrary() {
  forgetUpload();
  spoken = "";
}

export function installLibrary(draw) {
  render = draw;
  installUpload(draw, (program) => order(program.revision, program.design));
  installRequesters();
  installAudit(draw);
  addEventListener("hashchange", () => {
    drawViews(viewOf(location.hash));
    render();
    const { name } = viewOf(location.hash);
    if (name === "library" || name === "audit") find(TITLES[name]).focus({ preventScroll: true });
    if (["", "#farm"].includes(location.hash) || name === "library" || name === "audit") scrollTo(0, 0);
  });
}
