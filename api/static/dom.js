// Small tools to build the page. Text is always set as text: nothing that a printer or a maker wrote is ever read as markup.

import { problemText } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

export const find = (id) => document.getElementById(id);

// make("p", { class: "calm", onclick: f }, "text", element)
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

// Touch the page only where something is different: screen readers and selections stay calm.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function mark(element, name, value) {
  const wanted = value === null || value === undefined || value === false ? null : String(value);
  if (wanted === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== wanted) element.setAttribute(name, wanted);
}

const complaints = new WeakMap(); // place -> its text, in the language of the page

// Why something was refused, beside what was clicked. `better(problem)` has words of the page where they say more than the daemon's.
export function complain(place, problem, better = () => undefined) {
  const text = () => better(problem) ?? problemText(problem);
  complaints.set(place, text);
  mark(place, "data-bad", "");
  mark(place, "data-unanswered", problem.code === "no-answer" ? "" : null);
  say(place, text());
}

// The page speaks another language now.
export function complainAgain() {
  for (const place of document.querySelectorAll("[data-bad]")) if (complaints.has(place)) say(place, complaints.get(place)());
}

// Once the daemon answers again, nothing says any more that it does not.
export function answered() {
  for (const place of document.querySelectorAll("[data-unanswered]")) {
    mark(place, "data-bad", null);
    mark(place, "data-unanswered", null);
    say(place, "");
  }
}

const known = new WeakMap(); // list -> Map(key -> { element, update })

export const forget = (list) => {
  known.delete(list);
  list.replaceChildren();
};

// Show `rows` in `list`: one element for each key, kept as long as its key is there, so that inputs keep what was typed.
export function show(list, rows, keyOf, create) {
  const before = known.get(list) ?? new Map();
  const after = new Map();
  rows.forEach((row) => {
    const key = keyOf(row);
    const item = before.get(key) ?? create(row);
    item.update(row);
    after.set(key, item);
  });
  for (const [key, item] of before) if (!after.has(key)) item.element.remove();
  let place = list.firstElementChild;
  for (const { element } of after.values()) {
    if (element === place) place = place.nextElementSibling;
    else list.insertBefore(element, place);
  }
  known.set(list, after);
}

const ICONS = {
  idle: "M3 8a5 5 0 1 0 10 0a5 5 0 1 0-10 0",
  printing: "M3 3h10v3H3zM8 6v3M6.5 9h3L8 11.2zM2.5 13.5h11",
  paused: "M5.5 3.5v9M10.5 3.5v9",
  attention: "M8 2.5v7M8 12.6v.4",
  fault: "M8 2L14.5 13.5h-13zM8 6.3v3.4M8 11.6v.2",
  offline: "M3 3l10 10M5.2 5.4a4.6 4.6 0 0 0 5.6 6.9M8 3.4a4.6 4.6 0 0 1 4.5 5.6",
  working: "M8 2.5a5.5 5.5 0 1 1-5.3 4M2.4 3v3.6H6",
  foreign: "M8 7.5a2.6 2.6 0 1 0 0-5.2a2.6 2.6 0 0 0 0 5.2M2.8 14c.4-3 2.4-4.6 5.2-4.6s4.8 1.6 5.2 4.6",
  collect: "M2.5 9.5v4h11v-4M8 2.5v7.2M5 6.9l3 3l3-3",
  bed: "M2 11.5h12M3.5 11.5V9h9v2.5M5 14v-2.5M11 14v-2.5",
  done: "M3 8.6l3.4 3.4L13 4.6",
  draft: "M3.5 13l.6-2.7 7-7 2.1 2.1-7 7zM9.8 4.6l2.1 2.1",
  note: "M8 7.2v4M8 4.8v.2M8 14a6 6 0 1 0 0-12a6 6 0 0 0 0 12",
  node: "M2.5 4h11v6.5h-11zM6 13.5h4M8 10.5v3",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  svg.append(path);
  draw(svg, name);
  return svg;
}

export const draw = (svg, name) => mark(svg.firstElementChild, "d", ICONS[name] ?? ICONS.idle);
