// Every word of the page, in English and French. What machines and people wrote is shown as it is.

const EN = {
  skip: "Skip to the printers",
  other_language: "Français",
  no: "No",
  lost: "The agent on this computer does not answer. What is shown is from {time}.",
  token: "Token of this page",
  token_how: "On the computer beside the printers, the command “farm node page” shows it.",
  token_wrong: "That is not the token.",
  enter: "Open",
  wrong_host: "This name is not one of this computer's. Open the page by its address, or add the name to [page] names in node.toml.",
  failed: "The agent did not answer. Try again: nothing is counted twice.",
  limits_wrong: "Nothing new starts on any printer. {why}",
  disk_nearly_full: "The disk is nearly full. Prints go on and can be collected, but nothing new starts. Free some space on this computer.",
  disk_full: "The disk cannot be written. Prints go on, but nothing can be noted and nothing new starts. Free some space on this computer.",
  refused: "Not printed here ({program}): {why}",
  contact: "In contact with the farm",
  contact_text: "What you do here, the farm knows at once. You can as well use the page of the farm.",
  cut: "Cut off from the farm for {time}",
  cut_never: "No contact with the farm since the agent on this computer was started",
  person: "Without the farm. Somebody here said “go on” {time} ago",
  goes_on: "The printers go on by themselves for {time} more: {jobs}.",
  goes_not_on: "Nothing new starts until the farm is back, or somebody here says “go on”. Still allocated: {jobs}.",
  goes_nothing: "Nothing is left to start: the farm has to allocate more.",
  jobs: "{count} jobs to start",
  jobs_one: "1 job to start",
  untold: "{count} events wait to be told to the farm. They are safe on this computer.",
  untold_one: "1 event waits to be told to the farm. It is safe on this computer.",
  go_on: "Go on without the farm",
  go_on_text: "If you know that the parts are still needed, have the printers go on for {time}. It may make parts too many: the farm may have given this work to others meanwhile.",
  go_on_ask: "Go on without the farm? It may make parts too many: the farm may have given this work to others meanwhile.",
  go_on_yes: "Yes, go on",
  go_on_said: "The printers go on.",
  printers: "Printers",
  none: "This computer has no printers. List them in its node.toml.",
  state_offline: "Offline",
  state_connecting: "Connecting",
  state_idle: "Idle",
  state_preparing: "Preparing",
  state_printing: "Printing",
  state_paused: "Paused",
  state_attention: "Waits for you",
  state_finishing: "Finishing",
  state_fault: "Fault",
  state_foreign: "Prints something else",
  bed_clear: "Bed clear",
  bed_occupied: "Bed occupied",
  bed_unknown: "Bed unknown",
  progress: "Progress of {printer}",
  left: "{percent} %, {time} left",
  percent: "{percent} %",
  job: "Job {job}, {parts} of {revision}",
  parts: "{count} parts",
  parts_one: "1 part",
  next: "Still to start here: {count}",
  outcome_printed: "The print has ended. Take the parts off and count the good ones.",
  outcome_failed: "The print failed. Take off what is there; count what can be used.",
  outcome_cancelled: "The print was cancelled. Take off what is there; count what can be used.",
  outcome_interrupted: "Nobody knows how this print ended. Look at the bed, take off what is there and count what is good.",
  asks: "It asks: {text}",
  asks_there: "Answer at its own screen.",
  asks_go_on: "Go on",
  asks_choice: "Choice {number}",
  answers: "Answers",
  recovery_by_itself: "It goes on by itself.",
  recovery_by_hand: "It needs a hand.",
  recovery_never: "It needs repair before it prints again.",
  good: "Good parts",
  fewer: "One good part fewer",
  more: "One good part more",
  collect: "Collect: {good} good, {scrap} scrap",
  collected: "Collected: {good} good, {scrap} scrap.",
  clear_unknown: "Nobody knows what is on this bed. Look, and take off what is there.",
  clear_foreign: "Somebody else's print. Take it off when it is done.",
  clear: "The bed is clear",
  cleared: "The bed is clear.",
  pause: "Pause",
  resume: "Resume",
  cancel: "Cancel the print",
  cancel_ask: "Cancel the print on {printer}? It cannot be taken up again.",
  stop: "Emergency stop",
  stop_ask: "Stop {printer} at once? The print is lost, and the printer has to be reset.",
  done: "Done.",
  of_printer: "{what}: {printer}",
};

const FR = {
  skip: "Aller aux imprimantes",
  other_language: "English",
  no: "Non",
  lost: "L'agent de cet ordinateur ne répond pas. Ce qui est affiché date de {time}.",
  token: "Jeton de cette page",
  token_how: "Sur l'ordinateur à côté des imprimantes, la commande « farm node page » l'affiche.",
  token_wrong: "Ce n'est pas le jeton.",
  enter: "Ouvrir",
  wrong_host: "Ce nom n'est pas celui de cet ordinateur. Ouvrez la page par son adresse, ou ajoutez le nom à [page] names dans node.toml.",
  failed: "L'agent n'a pas répondu. Recommencez : rien n'est compté deux fois.",
  limits_wrong: "Rien de nouveau n'est lancé, sur aucune imprimante. {why}",
  disk_nearly_full: "Le disque est presque plein. Les impressions continuent et peuvent être collectées, mais rien de nouveau n'est lancé. Libérez de la place sur cet ordinateur.",
  disk_full: "Le disque ne peut pas être écrit. Les impressions continuent, mais rien ne peut être noté ni lancé. Libérez de la place sur cet ordinateur.",
  refused: "Pas imprimé ici ({program}) : {why}",
  contact: "En contact avec la ferme",
  contact_text: "La ferme sait aussitôt ce que vous faites ici. La page de la ferme convient aussi bien.",
  cut: "Coupé de la ferme depuis {time}",
  cut_never: "Aucun contact avec la ferme depuis le démarrage de l'agent de cet ordinateur",
  person: "Sans la ferme. Quelqu'un a dit « continuer » ici il y a {time}",
  goes_on: "Les imprimantes continuent seules encore {time} : {jobs}.",
  goes_not_on: "Rien de nouveau n'est lancé tant que la ferme n'est pas de retour, ou que personne ici ne dit « continuer ». Encore attribué : {jobs}.",
  goes_nothing: "Il ne reste rien à lancer : c'est à la ferme d'en attribuer.",
  jobs: "{count} impressions à lancer",
  jobs_one: "1 impression à lancer",
  untold: "{count} événements attendent d'être dits à la ferme. Ils sont en sûreté sur cet ordinateur.",
  untold_one: "1 événement attend d'être dit à la ferme. Il est en sûreté sur cet ordinateur.",
  go_on: "Continuer sans la ferme",
  go_on_text: "Si vous savez que les pièces sont encore utiles, les imprimantes peuvent continuer pendant {time}. Cela peut faire des pièces en trop : la ferme a pu confier ce travail à d'autres entre-temps.",
  go_on_ask: "Continuer sans la ferme ? Cela peut faire des pièces en trop : la ferme a pu confier ce travail à d'autres entre-temps.",
  go_on_yes: "Oui, continuer",
  go_on_said: "Les imprimantes continuent.",
  printers: "Imprimantes",
  none: "Cet ordinateur n'a pas d'imprimante. Indiquez-les dans son node.toml.",
  state_offline: "Hors ligne",
  state_connecting: "Connexion",
  state_idle: "Libre",
  state_preparing: "Préparation",
  state_printing: "Imprime",
  state_paused: "En pause",
  state_attention: "Vous attend",
  state_finishing: "Termine",
  state_fault: "En panne",
  state_foreign: "Imprime autre chose",
  bed_clear: "Plateau libre",
  bed_occupied: "Plateau occupé",
  bed_unknown: "Plateau inconnu",
  progress: "Avancement de {printer}",
  left: "{percent} %, encore {time}",
  percent: "{percent} %",
  job: "Impression {job}, {parts} de {revision}",
  parts: "{count} pièces",
  parts_one: "1 pièce",
  next: "Encore à lancer ici : {count}",
  outcome_printed: "L'impression est finie. Retirez les pièces et comptez les bonnes.",
  outcome_failed: "L'impression a échoué. Retirez ce qu'il y a ; comptez ce qui peut servir.",
  outcome_cancelled: "L'impression a été annulée. Retirez ce qu'il y a ; comptez ce qui peut servir.",
  outcome_interrupted: "Personne ne sait comment cette impression s'est terminée. Regardez le plateau, retirez ce qu'il y a et comptez les bonnes pièces.",
  asks: "Elle demande : {text}",
  asks_there: "Répondez sur son propre écran.",
  asks_go_on: "Continuer",
  asks_choice: "Choix {number}",
  answers: "Réponses",
  recovery_by_itself: "Elle repart toute seule.",
  recovery_by_hand: "Elle a besoin d'une main.",
  recovery_never: "Elle doit être réparée avant d'imprimer de nouveau.",
  good: "Bonnes pièces",
  fewer: "Une bonne pièce de moins",
  more: "Une bonne pièce de plus",
  collect: "Collecter (bonnes : {good}, rebuts : {scrap})",
  collected: "Collecté. Bonnes : {good}, rebuts : {scrap}.",
  clear_unknown: "Personne ne sait ce qu'il y a sur ce plateau. Regardez, et retirez ce qui s'y trouve.",
  clear_foreign: "L'impression de quelqu'un d'autre. Retirez-la quand elle est finie.",
  clear: "Le plateau est libre",
  cleared: "Le plateau est libre.",
  pause: "Pause",
  resume: "Reprendre",
  cancel: "Annuler l'impression",
  cancel_ask: "Annuler l'impression sur {printer} ? Elle ne pourra pas être reprise.",
  stop: "Arrêt d'urgence",
  stop_ask: "Arrêter {printer} tout de suite ? L'impression est perdue et l'imprimante devra être réinitialisée.",
  done: "C'est fait.",
  of_printer: "{what} : {printer}",
};

const LANGUAGES = { en: EN, fr: FR };
const KEPT = "node-page-language";

const kept = () => {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
};

let chosen = LANGUAGES[kept()] ? kept() : document.documentElement.lang === "fr" ? "fr" : "en";

export const language = () => chosen;

export function changeLanguage() {
  chosen = chosen === "fr" ? "en" : "fr";
  try {
    localStorage.setItem(KEPT, chosen);
  } catch {
    // a browser that remembers nothing
  }
}

export function word(key, values = {}) {
  const text = LANGUAGES[chosen][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export const counted = (key, count) => word(count === 1 ? `${key}_one` : key, { count });

// Both languages write these alike: 45 s, 12 min, 3 h 05, 2 j / 2 d
export function lasting(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")}`;
  return `${Math.round(hours / 24)} ${chosen === "fr" ? "j" : "d"}`;
}
