// What the page knows of the library: fetched when somebody looks at it, and again whenever the live connection says that it changed.

import { ask, Problem } from "./api.js";
import { farm } from "./live.js";
import { word } from "./words.js";

export const library = {
  programs: [], designs: [], requesters: [], profiles: [], limits: null,
  loaded: false, problem: null,
};

let seen = null; // number of the library that `library` shows
let loading = false;

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

// Fetch it anew when the farm says that it is another one. `changed` is called when there is something new to show.
export async function refresh(changed, { force = false } = {}) {
  const wanted = `${farm.snapshots} ${farm.library}`;
  if (loading || !farm.heardAt || (!force && wanted === seen)) return;
  loading = true;
  try {
    const parts = ["/programs", "/designs", "/requesters"].map((path) => ask("GET", path));
    if (!library.profiles.length) parts.push(ask("GET", "/profiles"), ask("GET", "/uploads/limits"));
    const [programs, designs, requesters, profiles, limits] = await Promise.all(parts);
    Object.assign(library, { programs, designs, requesters, loaded: true, problem: null });
    if (profiles) Object.assign(library, { profiles, limits });
    seen = wanted;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    library.problem = error.problem;
    seen = wanted; // the next change, or the next connection, tries again
  } finally {
    loading = false;
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
