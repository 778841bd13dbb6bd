// What the page knows of the library: fetched when somebody looks at it, and again whenever the live connection says that it changed.

import { ask, Problem } from "./api.js";
import { farm } from "./live.js";
import { word } from "./words.js";

export const library = {
  programs: [], designs: [], requesters: [], profiles: [], limits: null,
  loaded: false, problem: null,
};

let seen = null; // number of the library that `library` shows
let loading = null; // the fetch under way
let fetchedAt_ms = -Infinity;
let later = null;

export const profileName = (id) => library.profiles.find((profile) => profile.id === id)?.name ?? id;
export const designName = (id) => library.designs.find((design) => design.id === id)?.name ?? id;

export function stateOf(design, revision) {
  if (design.recalled.includes(revision)) return "recalled";
  return design.drafts.includes(revision) ? "draft" : "released";
}

export function revisionState(revision) {
  const design = library.designs.find((row) => row.revisions.includes(revision));
  return design ? stateOf(design, revision) : null;
}

async function load(wanted) {
  seen = wanted; // when it fails: the next change, or the next connection, tries again
  try {
    const parts = ["/programs", "/designs", "/requesters"].map((path) => ask("GET", path));
    if (!library.profiles.length) parts.push(ask("GET", "/profiles"), ask("GET", "/uploads/limits"));
    const [programs, designs, requesters, profiles, limits] = await Promise.all(parts);
    Object.assign(library, { programs, designs, requesters, loaded: true, problem: null });
    if (profiles) Object.assign(library, { profiles, limits });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    library.problem = error.problem;
  }
}

// Fetch it anew when the farm says that it is another one. `changed` is called when there is something new to show. After an upgrade
// hundreds of programs are checked again, one by one: what follows within `pause_ms` is fetched at its end, together.
export async function refresh(changed, { force = false, pause_ms = 1_000 } = {}) {
  while (force && loading) await loading; // that one may have begun too early
  const wanted = `${farm.snapshots} ${farm.library}`;
  if (loading || !farm.heardAt || (!force && wanted === seen)) return;
  const early_ms = force ? 0 : fetchedAt_ms + pause_ms - performance.now();
  if (early_ms > 0) {
    later ??= setTimeout(() => { later = null; refresh(changed); }, early_ms);
    return;
  }
  fetchedAt_ms = performance.now();
  loading = load(wanted);
  try {
    await loading;
  } finally {
    loading = null;
  }
  changed();
}

// Where an operator's name is kept for the next form, in this browser only.
const KEY = "essaim-person";

export function person() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

export function rememberPerson(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // it is asked for again
  }
}

// Who does what needs no name of a person: the name that was given last, or the role.
export const signed = () => ({ by: person() || "operator" });

// A role in the place of a name is the commonest mistake: what to say then; undefined: it was refused for something else.
export const personNeeded = (problem) => (problem.errors?.some((field) => field.pointer === "#/by") ? word("person_needed") : undefined);
