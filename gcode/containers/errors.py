"""Why a file could not be opened as a program: one typed error, its texts in a table.

`ContainerError.code` is stable; both texts and the next step go to people as they are.
"""

from typing import Final, NamedTuple

from gcode.texts import Bilingual, BilingualError, octets


class Text(NamedTuple):
    """What is wrong (a sentence without its point) and what to do about it."""

    detail: Bilingual
    next_step: Bilingual


class ContainerError(BilingualError):
    """The file is no program that can be read, or not within the limits.

    `offset` counts bytes in the file as it was given, where that is known.
    """

    def __init__(self, code: str, *, offset: int | None = None, **values: object) -> None:
        text = TEXTS[code]
        place = Bilingual("", "") if offset is None else Bilingual(f" (byte {offset})", f" (octet {offset})")
        shown = _shown(values)
        said = Bilingual(text.detail.en.format_map(shown.en) + place.en, text.detail.fr.format_map(shown.fr) + place.fr)
        super().__init__(Bilingual(f"{said.en}.", f"{said.fr}."), next_step=text.next_step)
        self.code = code
        self.offset = offset
        self._values = values

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling: a file is read in a process of its own."""
        return _again, (self.code, self.offset, self._values)


class _Values(NamedTuple):
    en: dict[str, object]
    fr: dict[str, object]


def _shown(values: dict[str, object]) -> _Values:
    """The values as people read them: what is counted in bytes gets its unit."""
    english, french = dict(values), dict(values)
    for name, value in values.items():
        if name.endswith("_bytes") and isinstance(value, int):
            english[name], french[name] = octets(value)
    return _Values(english, french)


def _again(code: str, offset: int | None, values: dict[str, object]) -> ContainerError:
    return ContainerError(code, offset=offset, **values)


_AGAIN: Final = Bilingual(
    "Export it once more from the slicer and send the new file.",
    "Exportez-le de nouveau depuis le trancheur et envoyez le nouveau fichier.",
)
_SLICE: Final = Bilingual("Slice it first, then send the G-code.", "Tranchez-le d'abord, puis envoyez le G-code.")
_UNPACK: Final = Bilingual("Unpack it and send the G-code alone.", "Décompressez-le et envoyez le G-code seul.")
_SEND: Final = Bilingual("Send the G-code that the slicer exports.", "Envoyez le G-code que le trancheur exporte.")
_SMALLER: Final = Bilingual("Send a smaller program, or split the plate.", "Envoyez un programme plus petit ou divisez le plateau.")
_PLAIN: Final = Bilingual("Export it as plain G-code and send that.", "Exportez-le en G-code texte et envoyez-le.")

TEXTS: Final[dict[str, Text]] = {
    "empty": Text(Bilingual("The file is empty", "Le fichier est vide"), _AGAIN),
    "binary": Text(
        Bilingual(
            "The file holds neither G-code nor anything else that is known here",
            "Le fichier ne contient ni G-code ni rien de connu ici",
        ),
        _SEND,
    ),
    "model": Text(Bilingual("This is a model ({kind}), not a program", "C'est un modèle ({kind}), pas un programme"), _SLICE),
    "picture": Text(Bilingual("This is a picture ({kind}), not a program", "C'est une image ({kind}), pas un programme"), _SEND),
    "archive": Text(
        Bilingual(
            "This is an archive ({kind}) without a program that is known here",
            "C'est une archive ({kind}) sans programme connu ici",
        ),
        _UNPACK,
    ),
    "document": Text(
        Bilingual("This is a document ({kind}), not a program", "C'est un document ({kind}), pas un programme"), _SEND
    ),
    "text": Text(Bilingual("This is text without any G-code", "C'est du texte sans G-code"), _SEND),
    "utf-16": Text(
        Bilingual("The text is in UTF-16, which printers cannot read", "Le texte est en UTF-16, que les imprimantes ne lisent pas"),
        Bilingual("Save it again as UTF-8.", "Enregistrez-le de nouveau en UTF-8."),
    ),
    "truncated": Text(
        Bilingual("The {kind} file ends in the middle", "Le fichier {kind} s'arrête au milieu"),
        Bilingual(
            "Send it again: the transfer or the copy was cut.", "Envoyez-le de nouveau : le transfert ou la copie a été coupé."
        ),
    ),
    "damaged": Text(Bilingual("The {kind} file is damaged: {reason}", "Le fichier {kind} est endommagé (« {reason} »)"), _AGAIN),
    "checksum": Text(
        Bilingual(
            "A checksum of the {kind} file is wrong: its content was changed on the way",
            "Une somme de contrôle du fichier {kind} est fausse : son contenu a changé en route",
        ),
        Bilingual(
            "Send it again: the transfer or the copy was damaged.", "Envoyez-le de nouveau : le transfert ou la copie a été abîmé."
        ),
    ),
    "too-large": Text(
        Bilingual("Unpacked, the file has more than {limit_bytes}", "Décompressé, le fichier dépasse {limit_bytes}"),
        _SMALLER,
    ),
    "ratio": Text(
        Bilingual(
            "The file unpacks to more than {limit} times its size, as only files made to do harm do",
            "Le fichier se décompresse à plus de {limit} fois sa taille, comme seuls le font des fichiers malveillants",
        ),
        _UNPACK,
    ),
    "nested": Text(
        Bilingual("The file is packed {depth} times in itself", "Le fichier est compressé {depth} fois sur lui-même"), _UNPACK
    ),
    "packed-archive": Text(
        Bilingual(
            "There is an archive ({kind}) inside the compressed file", "Il y a une archive ({kind}) dans le fichier compressé"
        ),
        Bilingual("Unpack it once and send what is inside.", "Décompressez-le une fois et envoyez ce qu'il contient."),
    ),
    "window": Text(
        Bilingual(
            "The zstd file needs a window of {window_bytes}, more than {limit_bytes}",
            "Le fichier zstd demande une fenêtre de {window_bytes}, plus que {limit_bytes}",
        ),
        Bilingual(
            "Pack it again with level 19 or lower and without --long.",
            "Compressez-le de nouveau au niveau 19 ou moins, sans --long.",
        ),
    ),
    "missing-library": Text(
        Bilingual(
            "This installation cannot read {kind} files: {library} is missing",
            "Cette installation ne sait pas lire les fichiers {kind} : {library} manque",
        ),
        _UNPACK,
    ),
    "bgcode-version": Text(
        Bilingual(
            "The binary G-code has version {version}; only version 1 is known",
            "Le G-code binaire est en version {version} ; seule la version 1 est connue",
        ),
        _PLAIN,
    ),
    "bgcode-order": Text(
        Bilingual("A block of the binary G-code stands in the wrong place", "Un bloc du G-code binaire est au mauvais endroit"),
        _PLAIN,
    ),
    "bgcode-size": Text(
        Bilingual(
            "A block of the binary G-code does not unpack to the {size_bytes} that it promises",
            "Un bloc du G-code binaire ne donne pas les {size_bytes} qu'il promet",
        ),
        _AGAIN,
    ),
    "bgcode-block-size": Text(
        Bilingual(
            "A block of the binary G-code has {size_bytes}, more than {limit_bytes}",
            "Un bloc du G-code binaire a {size_bytes}, plus que {limit_bytes}",
        ),
        _PLAIN,
    ),
    "bgcode-blocks": Text(
        Bilingual("The binary G-code has more than {limit} blocks", "Le G-code binaire a plus de {limit} blocs"), _SMALLER
    ),
    "bgcode-no-program": Text(
        Bilingual("The binary G-code file has no G-code in it", "Le fichier G-code binaire ne contient pas de G-code"), _AGAIN
    ),
    "zip-directory": Text(
        Bilingual("The table of the archive has more than {limit_bytes}", "La table de l'archive dépasse {limit_bytes}"),
        _UNPACK,
    ),
    "zip-entries": Text(
        Bilingual("The archive has {count} entries, more than {limit}", "L'archive a {count} entrées, plus que {limit}"), _UNPACK
    ),
    "zip-names": Text(
        Bilingual("The archive has an entry with a strange name: {name}", "L'archive a une entrée au nom étrange : {name}"), _UNPACK
    ),
    "zip-twice": Text(
        Bilingual("The archive has two entries with the name {name}", "L'archive a deux entrées du nom {name}"), _UNPACK
    ),
    "zip-encrypted": Text(
        Bilingual("The program in the archive is encrypted", "Le programme dans l'archive est chiffré"),
        Bilingual("Send it without a password.", "Envoyez-le sans mot de passe."),
    ),
    "zip-method": Text(
        Bilingual(
            "The program in the archive is packed in an unusual way (method {method})",
            "Le programme dans l'archive est compressé d'une façon inhabituelle (méthode {method})",
        ),
        _UNPACK,
    ),
    "zip-seek": Text(
        Bilingual(
            "An archive can only be read from a file, not from a stream", "Une archive ne se lit que d'un fichier, pas d'un flux"
        ),
        _UNPACK,
    ),
    "plates": Text(
        Bilingual("The file has several plates ({plates})", "Le fichier a plusieurs plateaux ({plates})"),
        Bilingual("Say which one, or export one plate.", "Dites lequel, ou exportez un seul plateau."),
    ),
    "no-plate": Text(
        Bilingual("The file has no plate {plate} (it has {plates})", "Le fichier n'a pas de plateau {plate} (il a {plates})"),
        Bilingual("Say which one, or export one plate.", "Dites lequel, ou exportez un seul plateau."),
    ),
}
