"""Rules about lines and comments as text: what cannot be read, what was not filled in, what is not meant for the printer."""

from typing import Final

from gcode.judges import comments, lines, spelling
from gcode.reader import Defect
from gcode.rules.kinds import AGAIN, REMOVE, SPACES, AnyRule, CommentRule, DefectRule, TextRule, reject, trust, warn
from gcode.texts import Bilingual

DEFECTS: Final[tuple[AnyRule, ...]] = (
    DefectRule(
        reject(
            "not-text",
            "The file holds bytes that are not text; it seems damaged or cut off.",
            "Le fichier contient des octets qui ne sont pas du texte ; il semble abîmé ou coupé.",
            AGAIN,
        ),
        frozenset({Defect.BINARY, Defect.NOT_TEXT}),
        lines.defect,
    ),
    DefectRule(
        reject("line-too-long", "A command is longer than 256 bytes.", "Une commande dépasse 256 octets.", AGAIN),
        frozenset({Defect.TOO_LONG}),
        lines.defect,
    ),
    DefectRule(
        reject(
            "bad-checksum",
            "The checksum of a line is wrong: it was damaged.",
            "La somme de contrôle d'une ligne est fausse : elle est abîmée.",
            AGAIN,
        ),
        frozenset({Defect.BAD_CHECKSUM}),
        lines.defect,
    ),
    DefectRule(
        reject(
            "absurd-number",
            "A number is beyond anything a printer can do.",
            "Un nombre dépasse tout ce qu'une imprimante peut faire.",
            AGAIN,
        ),
        frozenset({Defect.ABSURD_NUMBER}),
        lines.defect,
    ),
    DefectRule(
        reject(
            "unreadable-number",
            "A move has a number that cannot be read: the printer would take it for another one.",
            "Un déplacement contient un nombre illisible : l'imprimante en comprendrait un autre.",
            AGAIN,
        ),
        frozenset({Defect.UNREADABLE_NUMBER}),
        lines.defect,
    ),
    DefectRule(
        reject(
            "doubtful-words",
            "Firmwares read this command in different ways: small letters, a letter twice, quotes, or two commands in one line.",
            "Les micrologiciels la lisent chacun autrement : minuscules, lettre en double, guillemets ou deux commandes en une.",
            Bilingual(
                "Write it in capitals, each letter once, with plain numbers, one command a line.",
                "Écrivez-la en capitales, chaque lettre une fois, avec des nombres simples, une commande par ligne.",
            ),
        ),
        frozenset({Defect.DOUBTFUL}),
        lines.text_of,
    ),
    TextRule(
        reject(
            "joined-words",
            "A number runs into an E: this printer's firmware takes both for one number (5E2 is 500) and goes somewhere else.",
            "Un nombre touche un E : le micrologiciel de cette imprimante n'y voit qu'un nombre (5E2 vaut 500) et va ailleurs.",
            SPACES,
        ),
        spelling.runs_together,
        of_moves=True,
    ),
    TextRule(
        reject(
            "hidden-command",
            "This printer's firmware looks for commands in the whole line, and finds another one in it than is written first.",
            "Le micrologiciel de cette imprimante cherche dans toute la ligne et y trouve une autre commande que la première.",
            Bilingual(
                "Remove the line from the slicer's custom G-code, or give the part that it names (M486) a name in small letters. "
                "Slice again.",
                "Retirez la ligne du G-code personnalisé du trancheur, ou donnez un nom en minuscules à la pièce qu'elle nomme "
                "(M486). Tranchez à nouveau.",
            ),
        ),
        spelling.hidden_command,
    ),
    TextRule(
        reject(
            "debugging-command",
            "It is for the developers of a firmware: such commands reset the printer or write its memory.",
            "Elle est destinée aux développeurs du micrologiciel : ces commandes réinitialisent ou réécrivent sa mémoire.",
        ),
        spelling.debugging_command,
    ),
    TextRule(
        reject(
            "placeholder",
            "A setting of the slicer was not filled in: the command would be obeyed without its value.",
            "Un réglage du trancheur n'a pas été remplacé : la commande serait exécutée sans sa valeur.",
            Bilingual(
                "Correct the custom G-code of the slicer's printer settings and slice again.",
                "Corrigez le G-code personnalisé dans les réglages d'imprimante du trancheur, puis tranchez à nouveau.",
            ),
        ),
        lines.placeholder,
    ),
    TextRule(
        reject(
            "conditional-code",
            "The file holds conditions, loops or calculations: what it will do cannot be known before it is printed.",
            "Le fichier contient des conditions, des boucles ou des calculs : on ne peut pas savoir d'avance ce qu'il fera.",
        ),
        lines.statement,
    ),
    TextRule(
        reject(
            "host-command",
            "A line commands the print server instead of the printer.",
            "Une ligne commande le serveur d'impression au lieu de l'imprimante.",
        ),
        lines.host_command,
    ),
)

OWNERS: Final[tuple[AnyRule, ...]] = (
    TextRule(
        reject(
            "forbidden-command",
            "The owner of this printer does not allow this command.",
            "Le propriétaire de cette imprimante ne permet pas cette commande.",
        ),
        lines.forbidden,
    ),
)

UNCLEAR: Final[tuple[AnyRule, ...]] = (
    DefectRule(
        trust(
            "host-words",
            "A line is meant for a plugin of the print server.",
            "Une ligne s'adresse à une extension du serveur d'impression.",
        ),
        frozenset({Defect.NOT_A_COMMAND}),
        lines.host_words,
    ),
    DefectRule(
        trust("not-a-command", "A line is no command of this firmware.", "Une ligne n'est pas une commande de ce micrologiciel."),
        frozenset({Defect.NOT_A_COMMAND}),
        lines.other_words,
    ),
    TextRule(
        trust(
            "joined-words-unsure",
            "A number runs into the next letter: older firmwares of this kind take 5E2 for 500, and some take 0X1 for 1.",
            "Un nombre touche la lettre suivante : d'anciens micrologiciels lisent 500 dans 5E2, et d'autres 1 dans 0X1.",
            SPACES,
        ),
        spelling.may_run_together,
        of_moves=True,
    ),
    TextRule(
        trust(
            "hidden-command-unsure",
            "It has the letter of another command among its words: older firmwares would obey that one.",
            "Elle contient la lettre d'une autre commande : d'anciens micrologiciels exécuteraient celle-là.",
        ),
        spelling.may_hide_command,
    ),
    TextRule(
        trust(
            "unknown-axis",
            "It moves an axis, or commands a tool, that the farm does not know.",
            "Elle déplace un axe, ou commande un outil, que la ferme ne connaît pas.",
        ),
        spelling.unknown_axis,
        of_moves=True,
    ),
)

COMMENTS: Final[tuple[AnyRule, ...]] = (
    CommentRule(
        warn(
            "secret-in-comment",
            "A comment holds a key or a password of your print server.",
            "Un commentaire contient une clé ou un mot de passe de votre serveur d'impression.",
            Bilingual(
                "The farm removes it from its copy. Change the key if others had the file; remove it from the slicer's settings.",
                "La ferme l'enlève de sa copie. Changez la clé si d'autres ont eu le fichier ; retirez-la du trancheur.",
            ),
        ),
        comments.secret,
    ),
    CommentRule(
        warn(
            "host-comment",
            "A comment is meant for a plugin of the print server, which may act on it.",
            "Un commentaire s'adresse à une extension du serveur d'impression, qui peut agir.",
            REMOVE,
        ),
        comments.host_words,
    ),
)
