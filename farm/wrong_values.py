"""What pydantic says of a wrong value, in French as well: by `type` and `ctx`, which are stable where its sentences are not.

For the answers of the API (`api.problems`) and for the keys of a configuration file. What was given is never said back.
"""

from collections.abc import Mapping
from typing import Any, Final

from gcode.texts import Bilingual, BilingualError

HARMFUL: Final = Bilingual(  # characters in a text
    "control characters and changes of the writing direction are not allowed",
    "les caractères de contrôle et les changements du sens d'écriture ne sont pas admis",
)
_ARRAY: Final = "Il faut une liste"
_OBJECT: Final = "Il faut un objet avec des noms et des valeurs"
_NUMBER: Final = "Il faut un nombre"
_DATE: Final = "Il faut une date de la forme AAAA-MM-JJ"
_MOMENT: Final = "Il faut une date avec une heure, comme 2026-11-22T14:30:00Z"
_DURATION: Final = "Il faut une durée, comme PT1H30M"
_ARGUMENT: Final = "Un argument manque"

# The keys are the types of pydantic-core (`list_all_errors`) and of pydantic.types; {s}: the plural of the number in `ctx`.
FRENCH: Final[Mapping[str, str]] = {
    "missing": "Ce champ est nécessaire",
    "extra_forbidden": "Ce nom n'est pas connu ici",
    "frozen_field": "Ce champ ne se change pas",
    "frozen_instance": "Ceci ne se change pas",
    "invalid_key": "Les noms doivent être des textes",
    "no_such_attribute": "« {attribute} » n'existe pas ici",
    "get_attribute_error": "Cela ne peut pas être lu : {error}",
    "json_invalid": "Ce n'est pas du JSON lisible",
    "json_type": "Il faut du JSON, comme texte ou comme octets",
    "needs_python_object": "Cela ne peut pas être vérifié dans du JSON ({method_name})",
    "recursion_loop": "Ceci se contient soi-même",
    "recursion_depth_exceeded": "Il y a trop de niveaux",
    "default_factory_not_called": "Cette valeur dépend d'une autre, qui n'est pas acceptable",
    # things with parts
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dataclass_type": _OBJECT,
    "dataclass_exact_type": "Il faut un objet {class_name}",
    "named_tuple_type": "Il faut une liste ou un objet",
    "dict_type": _OBJECT,
    "frozen_dict_type": _OBJECT,
    "ordered_dict_type": _OBJECT,
    "counter_type": _OBJECT,
    "mapping_type": _OBJECT,
    "list_type": _ARRAY,
    "deque_type": _ARRAY,
    "tuple_type": _ARRAY,
    "set_type": _ARRAY,
    "frozen_set_type": _ARRAY,
    "iterable_type": _ARRAY,
    "iteration_error": "Cette liste ne peut pas être lue : {error}",
    "set_item_not_hashable": "Les éléments doivent être de simples valeurs",
    "too_short": "Il faut au moins {min_length} élément{s}, pas {actual_length}",
    "too_long": "Il faut au plus {max_length} élément{s}",
    # numbers
    "greater_than": "Il faut plus de {gt}",
    "greater_than_equal": "Il faut au moins {ge}",
    "less_than": "Il faut moins de {lt}",
    "less_than_equal": "Il faut au plus {le}",
    "multiple_of": "Il faut un multiple de {multiple_of}",
    "finite_number": "Il faut un nombre fini",
    "int_type": "Il faut un nombre entier",
    "int_parsing": "Il faut un nombre entier, et ce texte n'en est pas un",
    "int_parsing_size": "Ce nombre entier a trop de chiffres",
    "int_from_float": "Il faut un nombre entier, sans décimales",
    "float_type": _NUMBER,
    "float_parsing": "Il faut un nombre, et ce texte n'en est pas un",
    "decimal_type": _NUMBER,
    "decimal_parsing": "Il faut un nombre décimal",
    "decimal_max_digits": "Il faut au plus {max_digits} chiffre{s} en tout",
    "decimal_max_places": "Il faut au plus {decimal_places} décimale{s}",
    "decimal_whole_digits": "Il faut au plus {whole_digits} chiffre{s} avant la virgule",
    "fraction_type": _NUMBER,
    "fraction_parsing": "Il faut une fraction",
    "complex_type": "Il faut un nombre complexe",
    "complex_str_parsing": "Il faut un nombre complexe",
    # texts
    "string_type": "Il faut un texte",
    "string_sub_type": "Il faut un simple texte",
    "string_unicode": "Il faut un texte en Unicode",
    "string_too_short": "Il faut au moins {min_length} caractère{s}",
    "string_too_long": "Il faut au plus {max_length} caractère{s}",
    "string_pattern_mismatch": "Il faut un texte de la forme « {pattern} »",
    "string_not_ascii": "Il faut des caractères ASCII seulement",
    "bytes_type": "Il faut des octets",
    "bytes_too_short": "Il faut au moins {min_length} octet{s}",
    "bytes_too_long": "Il faut au plus {max_length} octet{s}",
    "bytes_invalid_encoding": "Ces octets ne sont pas du {encoding}",
    # one of several
    "enum": "Il faut {expected}",
    "literal_error": "Il faut {expected}",
    "union_tag_invalid": "« {tag} » n'est pas connu pour {discriminator} : il faut {expected_tags}",
    "union_tag_not_found": "Il manque {discriminator}, qui dit de quoi il s'agit",
    "none_required": "Il ne faut aucune valeur (null)",
    "bool_type": "Il faut oui ou non (true ou false)",
    "bool_parsing": "Il faut oui ou non (true ou false)",
    "missing_sentinel_error": "Il ne faut aucune valeur",
    "ellipsis_error": "Il faut « Ellipsis »",
    # times
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": "Il faut une date sans heure",
    "date_past": "Il faut une date passée",
    "date_future": "Il faut une date à venir",
    "time_type": "Il faut une heure, comme 14:30",
    "time_parsing": "Il faut une heure, comme 14:30",
    "datetime_type": _MOMENT,
    "datetime_parsing": _MOMENT,
    "datetime_object_invalid": _MOMENT,
    "datetime_from_date_parsing": _MOMENT,
    "datetime_past": "Il faut un moment passé",
    "datetime_future": "Il faut un moment à venir",
    "timezone_naive": "Il faut une heure sans fuseau horaire",
    "timezone_aware": "Il faut une heure avec son fuseau horaire",
    "timezone_offset": "Il faut un décalage horaire de {tz_expected}, pas de {tz_actual}",
    "time_delta_type": _DURATION,
    "time_delta_parsing": _DURATION,
    # addresses, paths and names
    "url_type": "Il faut une adresse (URL)",
    "url_parsing": "Il faut une adresse (URL) lisible",
    "url_syntax_violation": "Il faut une adresse (URL) sans faute",
    "url_too_long": "Il faut une adresse (URL) d'au plus {max_length} caractère{s}",
    "url_scheme": "L'adresse doit commencer par {expected_schemes}",
    "path_type": "Il faut un chemin de fichier",
    "path_not_file": "Ce chemin ne mène pas à un fichier",
    "path_not_directory": "Ce chemin ne mène pas à un dossier",
    "path_exists": "Ce chemin existe déjà",
    "ip_any_address": "Il faut une adresse IPv4 ou IPv6",
    "ip_v4_address": "Il faut une adresse IPv4",
    "ip_v6_address": "Il faut une adresse IPv6",
    "uuid_type": "Il faut un UUID",
    "uuid_parsing": "Il faut un UUID",
    "uuid_version": "Il faut un UUID de version {expected_version}",
    # things of Python, which no file and no request can hold
    "is_instance_of": "Il faut un objet {class}",
    "is_subclass_of": "Il faut une sorte de {class}",
    "callable_type": "Il faut quelque chose qui s'appelle comme une fonction",
    "arguments_type": "Il faut des arguments, comme liste ou comme objet",
    "missing_argument": _ARGUMENT,
    "missing_keyword_only_argument": _ARGUMENT,
    "missing_positional_only_argument": _ARGUMENT,
    "unexpected_keyword_argument": "Cet argument n'est pas connu",
    "unexpected_positional_argument": "Il y a un argument de trop",
    "multiple_argument_values": "Cet argument est donné deux fois",
}
_OWN: Final = frozenset({"value_error", "assertion_error"})  # of a check that we wrote: it speaks for itself
_REFUSED: Final = "Valeur refusée : {text}"


def said_of(problem: Mapping[str, Any]) -> Bilingual:
    """What is wrong with one value, without a full stop. `problem` is one of pydantic's `errors()`.

    Checks of ours raise `gcode.texts.BilingualError`. A kind of error that is not known here is told in pydantic's own words.
    """
    english = str(problem.get("msg", ""))
    context = problem.get("ctx") or {}
    if problem.get("type") in _OWN:
        return Bilingual(english, _REFUSED.format(text=_own_words(context.get("error"), english)))
    template = FRENCH.get(str(problem.get("type")))
    if template is None:
        return Bilingual(english, _REFUSED.format(text=english))
    try:
        return Bilingual(english, template.format_map({"s": _plural(context), **{key: _or(context[key]) for key in context}}))
    except KeyError:  # another release of pydantic leaves out what this one tells
        return Bilingual(english, _REFUSED.format(text=english))


def _own_words(error: object, english: str) -> str:
    if isinstance(error, BilingualError):
        return f"{error.bilingual.fr} {error.next_step.fr}".rstrip()
    return str(error) if error is not None else english


def _plural(context: Mapping[str, Any]) -> str:
    limit = next((value for key, value in context.items() if key != "actual_length" and isinstance(value, int)), 0)
    return "s" if limit > 1 else ""


def _or(value: object) -> str:
    """The choices of an enumeration come as one English text: 'a', 'b' or 'c'."""
    before, either, last = str(value).rpartition(" or ")
    return f"{before} ou {last}" if either else str(value)
