// What the page knows of the farm: fed by one WebSocket, first with everything, then with what has changed.

import { signedIn } from "./api.js";

const COLLECTIONS = ["printers", "nodes", "orders", "waiting", "uploads"];
const SILENCE_MS = 40_000; // the daemon says at least every 15 s that it is alive
const LONGEST_WAIT_MS = 30_000;

export const farm = {
  name: "", now: 0, alarms: [], stock: [], fence: null, healing: null, state: "connecting", heardAt: null,
  printers: new Map(), nodes: new Map(), orders: new Map(), waiting: new Map(), uploads: new Map(),
  library: 0, // another number when the library is another one
  snapshots: 0, // how often everything was told anew
  heardNow: new Map(), // node id -> farm time of its row, from which its silence is counted on
};

let attempts = 0;
let socket = null;
let timer = null;

export function take(message) {
  farm.heardAt = new Date();
  const rows = message.type === "snapshot" ? message.farm : message;
  if (message.type === "snapshot") {
    farm.snapshots += 1;
    for (const name of COLLECTIONS) farm[name].clear();
    farm.heardNow.clear();
  }
  if (rows.now !== undefined) farm.now = rows.now;
  if (rows.name !== undefined) farm.name = rows.name;
  for (const name of ["alarms", "stock", "fence", "healing", "library"]) if (rows[name] !== undefined) farm[name] = rows[name];
  for (const name of COLLECTIONS) {
    for (const row of rows[name] ?? []) {
      farm[name].set(row.id, row);
      if (name === "nodes") farm.heardNow.set(row.id, farm.now);
    }
    for (const id of rows.gone?.[name] ?? []) farm[name].delete(id);
  }
}

// Whether the parts on a bed were collected and its node has not answered yet: they do not wait for a hand any more, and that is not
// because the farm is still to hear of the end of the job.
export function isNoted(printer) {
  const on = printer.occupation;
  const heard = !farm.nodes.get(printer.node)?.journal_behind;
  return Boolean(on?.job && !on.running && heard && !farm.waiting.has(on.job));
}

export const silenceOf = (node) => (node.silent_s ?? 0) + Math.max(0, farm.now - (farm.heardNow.get(node.id) ?? farm.now));

// Connect and stay connected. `changed` is called after every message and change of the connection; `locked` when a sign-in is needed.
export function connect(changed, locked) {
  clearTimeout(timer);
  socket?.close();
  const mine = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/live`);
  socket = mine;
  let watchdog = null;
  const listen = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => mine.close(), SILENCE_MS);
  };
  listen();
  mine.onmessage = (event) => {
    listen();
    attempts = 0;
    farm.state = "live";
    take(JSON.parse(event.data));
    changed();
  };
  mine.onclose = async () => {
    clearTimeout(watchdog);
    if (mine !== socket) return; // a newer one took over
    farm.state = farm.heardAt ? "lost" : "connecting";
    changed();
    if ((await signedIn()) === false) {
      locked();
      return;
    }
    attempts += 1;
    const wait = Math.min(LONGEST_WAIT_MS, 500 * 2 ** attempts) * (0.5 + Math.random());
    timer = setTimeout(() => connect(changed, locked), wait);
  };
}
