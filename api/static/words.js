// Every word of the page, in French and English. Texts of machines and people are never translated here: they are shown as they are.

import * as library from "./words_library.js";
import * as people from "./words_people.js";

const EN = {
  skip: "Skip to what needs a hand",
  sign_in: "Sign in",
  sign_out: "Sign out",
  sign_in_how: "The token is in the file operator.token in the data folder of the daemon.",
  sign_in_token: "Operator token",
  sign_in_wrong: "That is not the token.",
  other_language: "Français",
  live: "Live",
  connecting: "Connecting…",
  lost: "Connection lost. As of {time}",
  totals: "The farm in figures",
  total_hands: "need a hand",
  total_hands_one: "needs a hand",
  total_printing: "printing",
  total_printing_one: "printing",
  total_ready: "ready",
  total_ready_one: "ready",
  total_offline: "offline",
  total_offline_one: "offline",
  total_owed: "parts owed",
  total_owed_one: "part owed",
  total_made: "good parts",
  total_made_one: "good part",
  hands: "Needs a hand",
  hands_none: "Nothing to do. The farm works by itself.",
  hands_none_idle: "Nothing to do. Nothing is printing.",
  collect_title: "Take the parts off",
  collect_bad: "The print {outcome}: take it off and count what can be used",
  good: "Good",
  scrap: "Scrap",
  collect: "Collect",
  collect_sent: "Noted. The bed is free as soon as the printer's node has heard it.",
  clear_title_unknown: "Is the bed clear?",
  clear_unknown: "The farm was away and does not know what is on the bed. Look, and clear it.",
  clear_title_foreign: "Somebody else's print",
  clear_foreign: "This print is not one of ours. Take it off when it is done.",
  clear: "The bed is clear",
  clear_sent: "Noted.",
  attention_title: "The printer waits for you",
  attention: "Look at its display.",
  prompt_title: "The printer asks",
  prompt: "Answer here or at its screen.",
  prompt_of: "Answers for {name}",
  prompt_go_on: "Go on",
  prompt_choice: "Choice {number}",
  prompt_there: "Answer at its own screen.",
  prompt_sent: "Answered. It goes on as soon as its node has heard it.",
  recovery_by_itself: "It goes on by itself.",
  recovery_by_hand: "It needs a hand.",
  recovery_never: "It needs repair before it prints again.",
  offline_title: "Does not answer",
  offline: "Check its power and its cable.",
  silent: "Its printers cannot be seen until it is back.",
  machine_says: "The machine says: {text}",
  orders: "Orders",
  orders_none: "No orders yet. Place the first one.",
  stock: "In stock: {parts}",
  stock_of: "{parts} × {revision}",
  stock_recalled: "{parts} × {revision} (recalled: set aside)",
  order_what: "What",
  order_progress: "Good parts",
  order_owed: "Still owed",
  order_state: "State",
  actions: "Actions",
  order_new: "New order",
  order_design: "Design",
  order_quantity: "Quantity",
  order_priority: "Priority",
  order_destination: "For whom",
  order_place: "Place the order",
  order_placed: "Ordered: {quantity} × {design}.",
  order_no_designs: "No design yet: add a program in the library first.",
  order_count: "{good} of {quantity}",
  order_expected: "{count} being made",
  order_scrap: "{count} scrap",
  order_cancel: "Cancel",
  order_cancel_ask: "Cancel the order of {quantity} × {revision}? What is printing goes on and becomes stock.",
  order_cancel_yes: "Cancel the order",
  order_open: "open",
  order_met: "met",
  order_cancelled: "cancelled",
  priority_low: "Low",
  priority_normal: "Normal",
  priority_high: "High",
  printers: "Printers",
  printers_none: "No printers yet. Start a node beside one: farm node.",
  nodes: "Nodes",
  node_online: "connected",
  node_away: "not connected for {time}",
  node_never: "not heard since the daemon started",
  node_printers: "{count} printers",
  node_printers_one: "{count} printer",
  node_behind: "{count} facts on their way",
  node_behind_one: "{count} fact on its way",
  node_people: "People",
  nozzle: "Nozzle",
  bed: "Bed",
  heat_off: "{actual} °C",
  heat_on: "{actual}/{target} °C",
  bed_state_clear: "bed clear",
  bed_state_occupied: "bed occupied",
  bed_state_unknown: "bed unknown",
  bed_state_noted: "parts collected; the node has not answered yet",
  remaining: "{time} left",
  progress_of: "Progress of {name}",
  jobs_left: "{count} more prints to start",
  jobs_left_one: "{count} more print to start",
  was_printing: "It was printing when it was last heard.",
  manual_offered: "Offered: its maker has not accepted it yet.",
  manual_accepted: "Accepted by its maker.",
  pause: "Pause",
  resume: "Resume",
  cancel_job: "Cancel job",
  cancel_job_ask: "Cancel the print on {name}? The parts on the bed are lost.",
  stop: "Emergency stop",
  stop_ask: "Stop heat and motion of {name} at once? The print is lost and the printer must be reset.",
  controls: "Controls of {name}",
  no: "Leave it",
  sent: "Sent.",
  state_unknown: "Not known",
  state_offline: "Offline",
  state_connecting: "Connecting",
  state_idle: "Idle",
  state_preparing: "Preparing",
  state_printing: "Printing",
  state_paused: "Paused",
  state_attention: "Waits for you",
  state_finishing: "Finishing",
  state_fault: "Fault",
  state_foreign: "Other print",
  outcome_printed: "is done",
  outcome_failed: "failed",
  outcome_cancelled: "was cancelled",
  outcome_interrupted: "was interrupted",
  hours: "{hours} h {minutes} min",
  minutes: "{minutes} min",
  seconds: "{seconds} s",
  days: "{days} d {hours} h",
  fence_title: "This daemon only watches.",
  fence_taken_over: "{node} obeys another daemon of this farm (generation {heard}, ours is {known}).",
  fence_same_generation: "{node} obeys another daemon that was restored like this one (generation {heard}).",
  fence_put_back: "Its database is older than what {node} was told ({counted}): an old copy was put back.",
  fence_counted_generation: "generation {known} here, {heard} there",
  fence_counted_plan: "version {known} of its plan here, {heard} there",
  fence_counted_facts: "{known} of its facts here, {heard} there",
  fence_step: "Printers go on with what they hold. Stop this daemon, or, if it is the right one, let it take over. Until then nothing can be noted here.",
  fence_button: "This daemon only watches: nothing can be noted here.",
  take_over: "Take over",
  take_over_ask: "Let this daemon act from now on? Any other daemon of this farm stops acting. The nodes tell again what they did.",
  healing_restored: "Restored from a backup.",
  healing_put_back: "An older database was put back.",
  healing_taken_over: "This daemon took over.",
  healing_told: "{told} of {nodes} nodes have told again what happened since.",
  healing_found: "{count} parts found.",
  healing_found_one: "{count} part found.",
  healing_step: "It heals by itself.",
  healing_missing: "Not heard yet: {names}. Start what is switched off.",
  healing_done: "Wait no longer",
  healing_done_ask: "Wait no longer for the nodes that are missing? Whatever they tell later counts all the same.",
  recalled_title: "Recalled: do not use",
  recalled_running: "Its revision was recalled. Cancel the print, or set its parts aside.",
  recalled_collect: "Its revision was recalled. Take the parts off and set them aside: they do not count.",
  node_untold: "is telling what it did",
  wrong_field: "{name}: {detail}.",
  failed_request: "The daemon does not answer. Is it running?",
  footer: "Essaim: one queue for a whole network of printers.",
};

const FR = {
  skip: "Aller à ce qui demande une main",
  sign_in: "Se connecter",
  sign_out: "Se déconnecter",
  sign_in_how: "Le jeton est dans le fichier operator.token, dans le dossier de données du démon.",
  sign_in_token: "Jeton d'opérateur",
  sign_in_wrong: "Ce n'est pas le bon jeton.",
  other_language: "English",
  live: "En direct",
  connecting: "Connexion…",
  lost: "Connexion perdue. État à {time}",
  totals: "La ferme en chiffres",
  total_hands: "à faire",
  total_hands_one: "à faire",
  total_printing: "impriment",
  total_printing_one: "imprime",
  total_ready: "prêtes",
  total_ready_one: "prête",
  total_offline: "hors ligne",
  total_offline_one: "hors ligne",
  total_owed: "restent à faire",
  total_owed_one: "reste à faire",
  total_made: "bonnes pièces",
  total_made_one: "bonne pièce",
  hands: "À faire",
  hands_none: "Rien à faire. La ferme travaille toute seule.",
  hands_none_idle: "Rien à faire. Rien n'imprime.",
  collect_title: "Retirer les pièces",
  collect_bad: "L'impression {outcome} : retirez-la et comptez ce qui est utilisable",
  good: "Bonnes",
  scrap: "Rebut",
  collect: "Collecter",
  collect_sent: "Noté. Le plateau est libre dès que le nœud de l'imprimante l'a appris.",
  clear_title_unknown: "Le plateau est-il libre ?",
  clear_unknown: "La ferme était absente et ignore ce qu'il y a sur le plateau. Regardez, et dégagez-le.",
  clear_title_foreign: "L'impression de quelqu'un d'autre",
  clear_foreign: "Cette impression n'est pas des nôtres. Retirez-la quand elle est finie.",
  clear: "Le plateau est libre",
  clear_sent: "Noté.",
  attention_title: "L'imprimante vous attend",
  attention: "Regardez son écran.",
  prompt_title: "L'imprimante demande",
  prompt: "Répondez ici ou sur son écran.",
  prompt_of: "Réponses pour {name}",
  prompt_go_on: "Continuer",
  prompt_choice: "Choix {number}",
  prompt_there: "Répondez sur son propre écran.",
  prompt_sent: "Répondu. Elle continue dès que son nœud l'a entendu.",
  recovery_by_itself: "Elle repart toute seule.",
  recovery_by_hand: "Elle a besoin d'une main.",
  recovery_never: "Elle doit être réparée avant d'imprimer de nouveau.",
  offline_title: "Ne répond pas",
  offline: "Vérifiez son alimentation et son câble.",
  silent: "On ne voit plus ses imprimantes jusqu'à son retour.",
  machine_says: "La machine dit : {text}",
  orders: "Commandes",
  orders_none: "Aucune commande. Passez la première.",
  stock: "En stock : {parts}",
  stock_of: "{parts} × {revision}",
  stock_recalled: "{parts} × {revision} (rappelée : à mettre de côté)",
  order_what: "Quoi",
  order_progress: "Bonnes pièces",
  order_owed: "Reste à faire",
  order_state: "État",
  actions: "Actions",
  order_new: "Nouvelle commande",
  order_design: "Modèle",
  order_quantity: "Quantité",
  order_priority: "Priorité",
  order_destination: "Pour qui",
  order_place: "Passer la commande",
  order_placed: "Commandé : {quantity} × {design}.",
  order_no_designs: "Aucun modèle : ajoutez d'abord un programme dans la bibliothèque.",
  order_count: "{good} sur {quantity}",
  order_expected: "{count} en cours",
  order_scrap: "{count} au rebut",
  order_cancel: "Annuler",
  order_cancel_ask: "Annuler la commande de {quantity} × {revision} ? Ce qui imprime continue et va au stock.",
  order_cancel_yes: "Annuler la commande",
  order_open: "ouverte",
  order_met: "honorée",
  order_cancelled: "annulée",
  priority_low: "Basse",
  priority_normal: "Normale",
  priority_high: "Haute",
  printers: "Imprimantes",
  printers_none: "Aucune imprimante. Lancez un nœud à côté de l'une d'elles : farm node.",
  nodes: "Nœuds",
  node_online: "connecté",
  node_away: "non connecté depuis {time}",
  node_never: "aucune nouvelle depuis le démarrage du démon",
  node_printers: "{count} imprimantes",
  node_printers_one: "{count} imprimante",
  node_behind: "{count} faits en route",
  node_behind_one: "{count} fait en route",
  node_people: "Les mains",
  nozzle: "Buse",
  bed: "Plateau",
  heat_off: "{actual} °C",
  heat_on: "{actual}/{target} °C",
  bed_state_clear: "plateau libre",
  bed_state_occupied: "plateau occupé",
  bed_state_unknown: "plateau inconnu",
  bed_state_noted: "pièces collectées ; le nœud n'a pas encore répondu",
  remaining: "reste {time}",
  progress_of: "Avancement de {name}",
  jobs_left: "encore {count} impressions à lancer",
  jobs_left_one: "encore {count} impression à lancer",
  was_printing: "Elle imprimait aux dernières nouvelles.",
  manual_offered: "Proposée : son maker ne l'a pas encore acceptée.",
  manual_accepted: "Acceptée par son maker.",
  pause: "Pause",
  resume: "Reprendre",
  cancel_job: "Annuler l'impression",
  cancel_job_ask: "Annuler l'impression sur {name} ? Les pièces sur le plateau sont perdues.",
  stop: "Arrêt d'urgence",
  stop_ask: "Couper tout de suite chauffe et mouvements de {name} ? L'impression est perdue et l'imprimante doit être relancée.",
  controls: "Commandes de {name}",
  no: "Ne rien faire",
  sent: "Envoyé.",
  state_unknown: "Inconnu",
  state_offline: "Hors ligne",
  state_connecting: "Connexion",
  state_idle: "Au repos",
  state_preparing: "Prépare",
  state_printing: "Imprime",
  state_paused: "En pause",
  state_attention: "Vous attend",
  state_finishing: "Termine",
  state_fault: "Panne",
  state_foreign: "Autre impression",
  outcome_printed: "est finie",
  outcome_failed: "a échoué",
  outcome_cancelled: "a été annulée",
  outcome_interrupted: "a été interrompue",
  hours: "{hours} h {minutes} min",
  minutes: "{minutes} min",
  seconds: "{seconds} s",
  days: "{days} j {hours} h",
  fence_title: "Ce démon ne fait que regarder.",
  fence_taken_over: "{node} obéit à un autre démon de cette ferme (génération {heard}, la nôtre est {known}).",
  fence_same_generation: "{node} obéit à un autre démon restauré comme celui-ci (génération {heard}).",
  fence_put_back: "Sa base est plus ancienne que ce que {node} a appris ({counted}) : une vieille copie a été remise.",
  fence_counted_generation: "génération {known} ici, {heard} là-bas",
  fence_counted_plan: "version {known} de son plan ici, {heard} là-bas",
  fence_counted_facts: "{known} de ses faits ici, {heard} là-bas",
  fence_step: "Les imprimantes continuent avec ce qu'elles ont. Arrêtez ce démon ou, si c'est le bon, faites-lui prendre la main. D'ici là, rien ne peut être noté ici.",
  fence_button: "Ce démon ne fait que regarder : rien ne peut être noté ici.",
  take_over: "Prendre la main",
  take_over_ask: "Ce démon doit-il agir désormais ? Tout autre démon de cette ferme cesse d'agir. Les nœuds racontent de nouveau ce qu'ils ont fait.",
  healing_restored: "Restaurée depuis une sauvegarde.",
  healing_put_back: "Une base plus ancienne a été remise.",
  healing_taken_over: "Ce démon a pris la main.",
  healing_told: "{told} nœuds sur {nodes} ont raconté de nouveau ce qui s'est passé depuis.",
  healing_found: "{count} pièces retrouvées.",
  healing_found_one: "{count} pièce retrouvée.",
  healing_step: "La ferme guérit toute seule.",
  healing_missing: "Pas encore entendus : {names}. Allumez ce qui est éteint.",
  healing_done: "Ne plus attendre",
  healing_done_ask: "Ne plus attendre les nœuds qui manquent ? Ce qu'ils raconteront plus tard comptera quand même.",
  recalled_title: "Rappelée : ne pas utiliser",
  recalled_running: "Sa révision a été rappelée. Annulez l'impression, ou mettez ses pièces de côté.",
  recalled_collect: "Sa révision a été rappelée. Retirez les pièces et mettez-les de côté : elles ne comptent pas.",
  node_untold: "raconte ce qu'il a fait",
  wrong_field: "{name} : {detail}.",
  failed_request: "Le démon ne répond pas. Est-il lancé ?",
  footer: "Essaim : une seule file pour tout un réseau d'imprimantes.",
};

const WORDS = { en: { ...EN, ...library.EN, ...people.EN }, fr: { ...FR, ...library.FR, ...people.FR } };
const KEY = "essaim-language";

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage is blocked: the browser's language decides
  }
}

function preferred() {
  const first = (navigator.languages ?? [navigator.language]).find((name) => /^(fr|en)\b/i.test(name));
  return first?.slice(0, 2).toLowerCase() ?? "en";
}

let current = WORDS[remembered()] ? remembered() : preferred();

export const language = () => current;

export function switchLanguage() {
  current = current === "fr" ? "en" : "fr";
  try {
    localStorage.setItem(KEY, current);
  } catch {
    // it holds until the page is closed
  }
}

// A text of the farm (an alarm, a problem, why a job ended...) in the language of the page: where it has no French, the words are a
// machine's own.
export const told = (thing, field) => (current === "fr" && thing[`${field}_fr`]) || thing[field] || "";
export const noted = (printer) => told(printer, "note");

// The text for `key` with {names} filled in. An unknown key shows itself, so that a missing word is seen.
export function word(key, values = {}) {
  const text = WORDS[current][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

// The same for a number of things: `key_one` where the language says the singular (in French also for 0).
export function counted(key, count) {
  const one = new Intl.PluralRules(current).select(count) === "one";
  return word(one ? `${key}_one` : key, { count: number(count) });
}

export function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 2) return word("seconds", { seconds: Math.max(0, Math.round(seconds)) });
  if (minutes < 60) return word("minutes", { minutes });
  if (minutes < 48 * 60) return word("hours", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
  return word("days", { days: Math.floor(minutes / 1440), hours: Math.floor(minutes / 60) % 24 });
}

// A reason of the daemon or of a node, in the language of the page.
export const sentence = (reason) => reason[current];

// A problem that the page itself finds, as the daemon would tell it: in both languages, by the keys of its words.
export function ownProblem(code, detail, step = "") {
  const spoken = (tongue, key) => (key ? WORDS[tongue][key] : "");
  return { code, detail: spoken("en", detail), detail_fr: spoken("fr", detail), next_step: spoken("en", step), next_step_fr: spoken("fr", step) };
}

// A wrong value by the label of its field: nobody sees the list that the daemon's next step speaks of.
function wrongField(field) {
  const key = field.parameter ?? field.pointer.replace(/^#\/?/, "");
  const name = document.querySelector(`[name="${CSS.escape(key)}"]`)?.labels?.[0]?.textContent.trim() || key;
  return name ? word("wrong_field", { name, detail: told(field, "detail") }) : `${told(field, "detail")}.`;
}

// Why something was refused, and what to do about it.
export function problemText(problem) {
  if (problem.errors?.length) return problem.errors.map(wrongField).join(" ");
  return `${told(problem, "detail")} ${told(problem, "next_step")}`;
}

// Numbers, sizes and days as the language writes them.
export const number = (value, digits = 0) => value.toLocaleString(current, { maximumFractionDigits: digits });
export const day = (seconds) => new Date(seconds * 1000).toLocaleDateString(current, { day: "numeric", month: "short", year: "numeric" });
export const moment = (seconds) =>
  new Date(seconds * 1000).toLocaleString(current, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });

export function bytes(count) {
  if (count < 1_000_000) return word("bytes_kb", { count: number(Math.max(count && 1, count / 1_000)) });
  return word("bytes_mb", { count: number(count / 1_000_000, count < 10_000_000 ? 1 : 0) });
}
