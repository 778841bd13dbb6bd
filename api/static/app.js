// The page: puts what `live` knows into the sections, at most once a frame.

import { ask, Problem, signedIn } from "./api.js";
import { answered, complain, complainAgain, find, forget, icon, make, mark, say, show } from "./dom.js";
import { handItem, hands } from "./hands.js";
import { connect, farm } from "./live.js";
import { nodeItem } from "./nodes.js";
import { drawLibrary, forgetLibrary, installLibrary } from "./views.js";
import { drawOrdering, installForm } from "./ordering.js";
import { orderRow, sorted } from "./orders.js";
import { printerCard } from "./printers.js";
import { otherAlarms, standing, standingItem } from "./standing.js";
import { counted, language, switchLanguage, told, word } from "./words.js";

const LISTS = ["standing", "totals", "hands-list", "orders-rows", "printers", "nodes", "alarms", "designs", "requesters", "uploads", "audit-rows"];
const byName = (rows) => [...rows].sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);

let waiting = false;
function render() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
}

function draw() {
  const todo = hands();
  drawHead(todo.length);
  drawConnection();
  show(find("standing"), standing(), (row) => row.kind, standingItem);
  show(find("alarms"), otherAlarms(), (alarm) => `${alarm.code} ${alarm.text}`, alarmItem);
  show(find("hands-list"), todo, (item) => item.key, handItem);
  const busy = [...farm.printers.values()].some((printer) => printer.occupation?.running);
  say(find("hands-none"), word(busy ? "hands_none" : "hands_none_idle"));
  mark(find("hands-none"), "hidden", todo.length || otherAlarms().length || !farm.heardAt ? "" : null);
  say(find("hands-count"), todo.length ? String(todo.length) : "");
  show(find("orders-rows"), sorted(farm.orders.values()), (order) => order.id, orderRow);
  mark(find("orders-table"), "hidden", farm.orders.size ? null : "");
  mark(find("orders-none"), "hidden", farm.orders.size || !farm.heardAt ? "" : null);
  say(find("stock"), word("stock", { parts: farm.stock.map((row) => word(row.recalled ? "stock_recalled" : "stock_of", row)).join(", ") }));
  mark(find("stock"), "hidden", farm.stock.length ? null : "");
  show(find("printers"), byName(farm.printers.values()), (printer) => printer.id, printerCard);
  mark(find("printers-none"), "hidden", farm.printers.size || !farm.heardAt ? "" : null);
  show(find("nodes"), byName(farm.nodes.values()), (node) => node.id, nodeItem);
  drawLibrary();
  switchOff(document.querySelectorAll("#hands-list button, #orders-rows button, main form button, #printers button, .revision button, .requester button, .release button, .removal button"));
}

// A daemon that only watches would refuse every click: buttons say so before.
function switchOff(buttons) {
  let lifted = false;
  for (const button of buttons) {
    if (farm.fence && (button.dataset.fenced === undefined || !button.disabled)) {
      button.dataset.fenced = button.disabled ? "off before" : "";
      button.disabled = true;
    } else if (!farm.fence && button.dataset.fenced !== undefined) {
      button.disabled = button.dataset.fenced !== "";
      delete button.dataset.fenced;
      lifted = true;
    }
    const off = button.dataset.fenced !== undefined;
    mark(button, "title", off ? word("fence_button") : null);
    mark(button, "aria-describedby", off ? "standing" : null);
  }
  if (lifted) drawOrdering(); // what can be ordered has its own reasons
}

function drawHead(todo) {
  say(find("farm-name"), farm.name || "Essaim");
  const title = `${todo ? `(${todo}) ` : ""}${farm.name || "Essaim"}`;
  if (document.title !== title) document.title = title;
  const printers = [...farm.printers.values()];
  const unknown = (printer) => farm.nodes.get(printer.node)?.not_known;
  const orders = [...farm.orders.values()];
  const sum = (rows, field) => rows.reduce((total, row) => total + row[field], 0);
  const totals = [
    { key: "total_hands", value: todo, mood: todo ? "hand" : "" },
    { key: "total_printing", value: printers.filter((printer) => printer.online && printer.state !== "offline" && printer.occupation?.running).length },
    { key: "total_ready", value: printers.filter((printer) => printer.online && printer.ready).length },
    { key: "total_offline", value: printers.filter((printer) => !unknown(printer) && (!printer.online || printer.state === "offline")).length },
    { key: "total_owed", value: sum(orders.filter((order) => order.state === "open"), "owed") },
    { key: "total_made", value: sum(orders, "good") },
  ];
  show(find("totals"), farm.heardAt ? totals : [], (total) => total.key, totalItem);
}

function totalItem(total) {
  const value = make("strong");
  const name = make("span");
  const element = make("li", {}, value, name);
  const update = (now) => {
    say(value, now.value.toLocaleString(language()));
    say(name, counted(now.key, now.value));
    mark(element, "data-mood", now.mood || null);
  };
  return { element, update };
}

function drawConnection() {
  const place = find("connection");
  if (farm.state === "live" && place.dataset.state !== "live") answered();
  mark(place, "data-state", farm.state);
  const time = farm.heardAt?.toLocaleTimeString(language()) ?? "";
  say(place, word(farm.state, { time }));
  mark(document.body, "data-stale", farm.state === "lost" ? "" : null);
}

function alarmItem(alarm) {
  const text = make("strong");
  const step = make("span");
  const element = make("div", { class: "alarm" }, icon("fault"), make("p", {}, text, " ", step));
  return { element, update: (now) => { say(text, told(now, "text")); say(step, told(now, "next_step")); } };
}

function drawWords() {
  document.documentElement.lang = language();
  for (const element of document.querySelectorAll("[data-word]")) say(element, word(element.dataset.word));
  for (const element of document.querySelectorAll("[data-label]:is(ul, nav)")) mark(element, "aria-label", word(element.dataset.label));
  const other = find("language");
  say(other, word("other_language"));
  mark(other, "lang", language() === "fr" ? "en" : "fr");
  for (const list of LISTS) forget(find(list));
  forgetLibrary();
  drawOrdering();
  complainAgain();
}

function lock() {
  const dialog = find("sign-in");
  if (!dialog.open) dialog.showModal();
}

function installSignIn() {
  const dialog = find("sign-in");
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  find("sign-in-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = find("sign-in-token");
    try {
      await ask("POST", "/session", { token: field.value });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      complain(find("sign-in-said"), error.problem, (problem) => (problem.code === "unauthenticated" ? word("sign_in_wrong") : undefined));
      return;
    }
    field.value = "";
    dialog.close();
    start();
  });
  find("sign-out").addEventListener("click", async () => {
    await ask("DELETE", "/session");
    location.reload();
  });
}

async function start() {
  if ((await signedIn()) === false) {
    lock();
    return;
  }
  mark(find("sign-out"), "hidden", isLocal ? "" : null);
  connect(render, lock);
}

find("language").addEventListener("click", () => {
  switchLanguage();
  drawWords();
  draw();
});
setInterval(render, 10_000); // silences grow without any message
installSignIn();
installForm(render);
installLibrary(render);
drawWords();
draw();
start();
