"""The words for states and outcomes in both languages; in French those of the page (api/static/words.js).

English words are those of the API, so that a person and a program speak of the same. Keys are plain strings: the enumerations of
`scheduler.model` and `drivers.base` find them too, and nothing of the farm is loaded for a word.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from gcode.texts import Bilingual

Words = Mapping[str, Bilingual]


def _words(**french: str) -> Words:
    return {name: Bilingual(name, word) for name, word in french.items()}


ORDER_STATES: Final = _words(open="ouverte", met="honorée", cancelled="annulée")
JOB_STATES: Final = _words(running="en cours", ended="terminée", collected="collectée")
# In French it is said of an impression: "elle a échoué".
OUTCOMES: Final = _words(printed="est finie", failed="a échoué", cancelled="a été annulée", interrupted="a été interrompue")
PRINTER_STATES: Final = _words(
    unknown="inconnu",
    offline="hors ligne",
    connecting="connexion",
    idle="au repos",
    preparing="prépare",
    printing="imprime",
    paused="en pause",
    attention="vous attend",
    finishing="termine",
    fault="panne",
    foreign="autre impression",
)
BED_STATES: Final = _words(clear="libre", occupied="occupé", unknown="inconnu")
REVISION_STATES: Final = _words(draft="brouillon", released="validée", recalled="rappelée")
VERDICTS: Final = {
    "pass": Bilingual("pass", "passe"),
    "trusted-only": Bilingual("trusted-only", "seulement si quelqu'un en répond"),
    "reject": Bilingual("reject", "refusé"),
}
CAPABILITIES: Final = {
    "pause": Bilingual("pause", "pause"),
    "cancel": Bilingual("cancel", "annulation"),
    "emergency-stop": Bilingual("emergency-stop", "arrêt d'urgence"),
    "temperatures": Bilingual("temperatures", "températures"),
    "console": Bilingual("console", "console"),
    "survives-agent": Bilingual("survives-agent", "continue sans l'agent"),
    "proves-idle": Bilingual("proves-idle", "prouve son repos"),
    "prompts": Bilingual("prompts", "questions"),
    "snapshot": Bilingual("snapshot", "photo"),
    "eject": Bilingual("eject", "éjection"),
    "power": Bilingual("power", "alimentation"),
    "transcript": Bilingual("transcript", "transcription"),
}
SEVERITIES: Final = _words(reject="refus", trust="à valider", warn="avertissement")
AUDIT_PEOPLE_FR: Final = {"operator": "Un opérateur", "farm": "La ferme"}
AUDIT_ACTIONS_FR: Final = {
    "program.add": "a ajouté le programme",
    "program.release": "a validé le programme",
    "program.withdraw": "a retiré la validation du programme",
    "program.remove": "a supprimé le programme",
    "program.checked-again": "a vérifié de nouveau le programme",
    "revision.release": "a validé la révision",
    "revision.recall": "a rappelé la révision",
    "requester.add": "a ajouté le demandeur",
    "requester.change": "a modifié le demandeur",
    "requester.remove": "a supprimé le demandeur",
    "approval.add": "a noté une approbation du demandeur",
    "approval.withdraw": "a retiré une approbation du demandeur",
}
# why a message of a node was not taken in (`farm.daemon.receive.Rejections`)
REJECTIONS: Final = {
    "foreign-generation": Bilingual("foreign-generation", "obéit à un autre démon"),
    "impossible-generation": Bilingual("impossible-generation", "génération impossible"),
    "printer-of-another-node": Bilingual("printer-of-another-node", "imprimante d'un autre nœud"),
    "stream": Bilingual("stream", "sujet MQTT inattendu"),
    "too-large": Bilingual("too-large", "trop grand"),
    "topic": Bilingual("topic", "sujet MQTT inconnu"),
    "unforeseen": Bilingual("unforeseen", "erreur imprévue du démon"),
    "unknown-node": Bilingual("unknown-node", "nœud inconnu"),
    "unreadable-journal": Bilingual("unreadable-journal", "journal illisible"),
    "unreadable-link": Bilingual("unreadable-link", "lien illisible"),
    "unreadable-report": Bilingual("unreadable-report", "rapport illisible"),
    "unreadable-telemetry": Bilingual("unreadable-telemetry", "mesures illisibles"),
}
NODE_STATES: Final = {
    "online": Bilingual("connected", "connecté"),
    "away": Bilingual("not connected", "non connecté"),
    "never": Bilingual("not heard yet", "aucune nouvelle"),
}
# the farm's own node, by its id
PEOPLE: Final = {"people": Bilingual("People", "Les mains")}
RECOVERIES: Final = {
    "by-itself": Bilingual("It goes on by itself.", "Elle repart toute seule."),
    "by-hand": Bilingual("It needs a hand.", "Elle a besoin d'une main."),
    "never": Bilingual("It needs repair before it prints again.", "Elle doit être réparée avant d'imprimer de nouveau."),
}


def word(words: Words, name: str) -> Bilingual:
    """What a state is called; one that a newer part of the farm has is called by its own name."""
    return words.get(name, Bilingual(str(name), str(name)))


def joined(texts: Iterable[Bilingual], between: str = " ") -> Bilingual:
    """Several texts as one."""
    texts = list(texts)
    return Bilingual(between.join(text.en for text in texts), between.join(text.fr for text in texts))
