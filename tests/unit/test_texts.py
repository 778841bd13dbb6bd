"""Every sentence of ours is said in both languages, and says the same: the sources are read, whoever raises it or not."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "drivers", "farm", "gcode", "scheduler")
VALUE = "{}"  # stands where a value is put in

# The parameters of what takes texts without naming them.
PARAMETERS = {
    "Bilingual": "en fr",
    "both": "en fr",
    "Told": "code en fr",
    "Reason": "code en fr",
    "Refused": "program code en fr",
    "Dropped": "reason reason_fr",
    "Rule": "id severity explanation_en explanation_fr fix_en fix_fr",
    "Fault": "code text meaning_en meaning_fr action_en action_fr",
    "FaultRule": "code severity words meaning_en meaning_fr action_en action_fr",
}
# What says a text to a person as it stands, without looking for the language.
MOUTHS = frozenset({"print", "say", "sys.exit", "sys.stderr.write", "sys.stdout.write", "typer.echo", "typer.secho"})
# What is the same in both languages: words that French shares, names of things, commands.
SAME = frozenset(
    {
        "OctoPrint",
        "console",
        "filament",
        "mosquitto",
        "ok",
        "pause",
        "pauses",
        "pip install 'essaim[daemon]'",
        "secrets",
        "uuid",
        "{} x {}{}",
    }
)
# The cause is known in English only; the French names all the causes that there are.
ENGLISH_CAUSES = frozenset(
    {
        "The file could not be read to its end: {}.",
        "These dimensions do not make a frame: {}.",
        "These dimensions do not make a solid: {}.",
    }
)
# Beginnings of sentences, of which the French has a colon before what follows.
WITH_A_COLON = frozenset({"the slicer says"})

_LANGUAGE = re.compile(r"(?:_(?:en|fr)|^(?:en|fr|english|french))$", re.IGNORECASE)
_IN_BACKTICKS = re.compile(r"`[^`]*`")
_OUR_NAME = "farm: "  # as programs begin what they say on standard error
_SPACES_OF_OTHERS = re.compile("[\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}]")
_NO_SPACE_BEFORE = re.compile(r"[^\s:;?!][:;?!](?=$|[\s)»])")
_IN_A_TEMPLATE = re.compile(r"\{(\w+)[^{}]*\}")  # a text that `str.format` fills later
_AGREEMENT = frozenset({"plural_fr"})  # looks at a number that is said elsewhere

Assigned = Mapping[str, ast.expr]


@dataclass(frozen=True)
class Text:
    """A sentence as a source has it: its words with `VALUE` for what is put in, and the names that this is made of."""

    words: str
    values: frozenset[str]


@dataclass(frozen=True)
class Pair:
    """A sentence in both languages, and where it is written."""

    where: str
    en: Text
    fr: Text


@cache
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


def text_of(node: ast.expr | None, assigned: Assigned) -> Text | None:
    """A literal or an f-string; None for anything that is made while the program runs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return Text(node.value, frozenset(_IN_A_TEMPLATE.findall(node.value)))
    if not isinstance(node, ast.JoinedStr):
        return None
    words, values = "", set[str]()
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            words += VALUE
            values |= names_in(part.value, assigned)
        elif isinstance(part, ast.Constant):
            words += str(part.value)
    return Text(words, frozenset(values))


def names_in(value: ast.AST, assigned: Assigned) -> set[str]:
    """The variables that a value is made of, through those of the same function that were made for one language only.

    Not what is called, nor constants and modules, nor what says which of the languages is meant.
    """
    if isinstance(value, ast.Name):
        made_of = assigned.get(value.id)
        if made_of is not None:
            return names_in(made_of, {name: node for name, node in assigned.items() if name != value.id})
        return set() if value.id.isupper() else {_LANGUAGE.sub("", value.id)}
    if isinstance(value, ast.Lambda):
        return set()
    inner = list(ast.iter_child_nodes(value))
    if isinstance(value, ast.Call):
        name = value.func.id if isinstance(value.func, ast.Name) else ""
        inner = [*value.args, *value.keywords, *([] if name else [value.func])] if name not in _AGREEMENT else []
    found = set[str]()
    for child in inner:
        found |= names_in(child, assigned)
    return found


def assigned_in(function: ast.AST) -> dict[str, ast.expr]:
    """What the variables of a function are made of."""
    found: dict[str, ast.expr] = {}
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if isinstance(target, ast.Name):
                found[target.id] = node.value
            elif isinstance(target, ast.Tuple):
                alike = isinstance(node.value, ast.Tuple) and len(node.value.elts) == len(target.elts)
                values = node.value.elts if alike and isinstance(node.value, ast.Tuple) else [node.value] * len(target.elts)
                found |= {one.id: value for one, value in zip(target.elts, values, strict=True) if isinstance(one, ast.Name)}
    return found


def pairs_in(source: str, where: str) -> Iterator[Pair]:
    """The sentences of a source that are written out in both languages."""
    tree = parsed(source)
    imported = [name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    nothing: dict[str, ast.expr] = {name.asname or name.name: ast.Constant(None) for name in imported}
    yield from _pairs_under(tree, nothing, where)


def _pairs_under(node: ast.AST, assigned: Assigned, where: str) -> Iterator[Pair]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        assigned = {**assigned, **assigned_in(node)}
    if isinstance(node, ast.Call):
        yield from pairs_of(node, assigned, where)
    for child in ast.iter_child_nodes(node):
        yield from _pairs_under(child, assigned, where)


def pairs_of(call: ast.Call, assigned: Assigned, where: str) -> Iterator[Pair]:
    """What is written out in both languages: arguments such as `fr` and `en`, `detail_fr` and `detail_en` or `detail`."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    given = {word.arg: word.value for word in call.keywords if word.arg is not None}
    given |= dict(zip(PARAMETERS.get(name, "").split(), call.args, strict=False))
    for french in [parameter for parameter in given if parameter == "fr" or parameter.endswith("_fr")]:
        stem = french.removesuffix("fr")
        english = given.get(f"{stem}en", given.get(stem.removesuffix("_")))
        en, fr = text_of(english, assigned), text_of(given[french], assigned)
        if en is not None and fr is not None:
            yield Pair(f"{where}:{given[french].lineno}", en, fr)


def untranslated_in(source: str, where: str) -> Iterator[str]:
    """Sentences that `gcode.texts.told` lets pass in English for both languages."""
    tree = parsed(source)
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "gcode.texts"]
    named = {name.asname or name.name for node in imported for name in node.names if name.name == "told"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in named and node.args:
            text = text_of(node.args[0], {})
            if text is not None and has_letters(text.words):
                yield f"{where}:{node.lineno}: {text.words}"


def in_one_language_in(source: str, where: str) -> Iterator[str]:
    """Sentences that are said as they stand: nobody has said them in the other language."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) in MOUTHS:
            text = text_of(node.args[0], {})
            if text is not None and has_letters(spoken_part(text.words)):
                yield f"{where}:{node.lineno}: {text.words}"


def has_letters(words: str) -> bool:
    return any(character.isalpha() for character in words)


def spoken_part(words: str) -> str:
    """Without what is quoted: commands, names of keys and the like."""
    return _IN_BACKTICKS.sub("", words.removeprefix(_OUR_NAME))


def says_the_same(pair: Pair) -> bool:
    return pair.en.values == pair.fr.values or pair.en.words in ENGLISH_CAUSES


def ends_alike(pair: Pair) -> bool:
    ends = (ending(pair.en.words), ending(pair.fr.words))
    return ends == ("", ":") if pair.en.words in WITH_A_COLON else ends[0] == ends[1]


def has_straight_quotes(words: str) -> bool:
    return '"' in spoken_part(words)


def is_said_in_french(pair: Pair) -> bool:
    return pair.en.words != pair.fr.words or not has_letters(spoken_part(pair.fr.words)) or pair.en.words in SAME


def ending(words: str) -> str:
    """Which kind of punctuation ends a text; empty: none."""
    last = words.rstrip(" )`»\"'")[-1:]
    return last if last in ".?!:;,…" else ""


def misspaced(words: str) -> bool:
    """Whether French punctuation stands without its space, or with another kind of space than all the other texts have."""
    said = spoken_part(words)
    return _NO_SPACE_BEFORE.search(said) is not None or _SPACES_OF_OTHERS.search(said) is not None


@cache
def sources() -> tuple[tuple[str, str], ...]:
    found = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")) if "testing" not in path.parts)
    return tuple((str(path.relative_to(ROOT)), path.read_text("utf-8")) for path in found)


@cache
def pairs() -> tuple[Pair, ...]:
    return tuple(pair for where, source in sources() for pair in pairs_in(source, where))


@cache
def untranslated() -> tuple[str, ...]:
    return tuple(found for where, source in sources() for found in untranslated_in(source, where))


def test_the_sentences_are_found() -> None:
    assert len(pairs()) > 1_500
    assert {pair.where.partition("/")[0] for pair in pairs()} == set(PACKAGES)


def test_every_sentence_is_said_in_french() -> None:
    assert [pair for pair in pairs() if not is_said_in_french(pair)] == []


def test_both_languages_name_the_same_values() -> None:
    assert [pair for pair in pairs() if not says_the_same(pair)] == []


def test_both_languages_end_in_the_same_way() -> None:
    assert [pair for pair in pairs() if not ends_alike(pair)] == []


def test_french_punctuation_has_its_space() -> None:
    assert [pair for pair in pairs() if misspaced(pair.fr.words)] == []


def test_french_quotes_are_not_straight() -> None:
    assert [pair for pair in pairs() if has_straight_quotes(pair.fr.words)] == []


def test_no_sentence_of_ours_is_told_as_if_it_had_no_french() -> None:
    assert [found for found in untranslated() if found.partition(": ")[2] not in SAME] == []


def test_nothing_is_said_in_one_language_only() -> None:
    assert [found for where, source in sources() for found in in_one_language_in(source, where)] == []


def test_every_exception_is_still_needed() -> None:
    assert {pair.en.words for pair in pairs()} >= WITH_A_COLON
    told = {found.partition(": ")[2] for found in untranslated()}
    assert {pair.en.words for pair in pairs() if pair.en.words == pair.fr.words} | told >= SAME
    assert {pair.en.words for pair in pairs() if pair.en.values != pair.fr.values} >= ENGLISH_CAUSES


# --- the rules themselves


def pair(source: str) -> Pair:
    (found,) = pairs_in(source, "x.py")
    return found


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('Bilingual("Wait.", "Attendez.")', True),
        ('Bilingual("Wait.", "Wait.")', False),
        ('Told("wait", "Wait.", "Wait.")', False),
        ('Bilingual(en="Wait.", fr="Wait.")', False),
        ('Bilingual(f"{name}: {why}", f"{name}: {why}")', True),
        ('Bilingual("`farm serve`", "`farm serve`")', True),
        ('Bilingual("pause", "pause")', True),
        ('Reason("code", "Wait.", "Wait.")', False),
        ('View(detail="Wait.", code="x", detail_fr="Wait.")', False),
        ('View(action_en="Wait.", action_fr="Attendez.")', True),
    ],
)
def test_what_is_said_in_french(source: str, said: bool) -> None:
    assert is_said_in_french(pair(source)) is said


@pytest.mark.parametrize(
    ("source", "same"),
    [
        ('Bilingual(f"{a.b} {c}", f"{c} {a.b}")', True),
        ('Bilingual(f"{a} {b}", f"{a}")', False),
        ('Bilingual(f"{a}", f"{a} {b}")', False),
        ('Bilingual(f"{a}", f"{b}")', False),
        ('Bilingual("{a:g} mm", "{a} mm")', True),
        ('Bilingual("{a} mm", "{b} mm")', False),
        ('import os\nBilingual(f"{os.strerror(number)}", f"{words(number)}")', True),
        ('Bilingual(f"{why.en} {what}", f"{why.fr} {what_fr}")', True),
        ('Bilingual(f"{english}", f"{french}")', True),
        ('Bilingual(f"{error.strerror}", f"{system_words(error).fr}")', True),
        ('Bilingual(f"{parts} good", f"{parts} {plural_fr(many, \'bonne\')}")', True),
        ('Bilingual(f"{text.strip()}", f"{number_of(text)}")', True),
        ('def f():\n    one, un = ("a", "b") if n else ("c", "d")\n    Bilingual(f"{one}", f"{un}")', True),
        ('def f():\n    one, un = n, m\n    Bilingual(f"{one}", f"{un}")', False),
        ('def f():\n    x = f"{x} {n}"\n    Bilingual(f"{x}", f"{n}")', False),
        ('Bilingual(f"These dimensions do not make a solid: {error}.", "Non.")', True),
    ],
)
def test_what_names_the_same_values(source: str, same: bool) -> None:
    assert says_the_same(pair(source)) is same


@pytest.mark.parametrize(
    ("en", "fr", "alike"),
    [
        ("Go on?", "Continuer ?", True),
        ("Go on?", "Continuez.", False),
        ("Go on.", "Continuez", False),
        ("Do it (at once).", "Faites-le (tout de suite).", True),
        ("Call it 'a.'", "Dites « a. »", True),
        ("a file", "un fichier", True),
    ],
)
def test_what_ends_alike(en: str, fr: str, alike: bool) -> None:
    assert ends_alike(pair(f"Bilingual({en!r}, {fr!r})")) is alike


@pytest.mark.parametrize(
    ("french", "wrong"),
    [
        ("Attendez : elle chauffe.", False),
        ("Attendez: elle chauffe.", True),
        ("Continuer?", True),
        ("(Continuer?)", True),
        ("Continuer\N{NO-BREAK SPACE}?", True),
        ("{}: elle chauffe", True),
        ("farm: elle chauffe", False),
        ("Lancez `a: b; c!` de 22:00 à 7:00 sur https://x:1 ; attendez !", False),
    ],
)
def test_what_is_misspaced(french: str, wrong: bool) -> None:
    assert misspaced(french) is wrong


def test_which_quotes_are_straight() -> None:
    assert has_straight_quotes('Dites "oui".')
    assert not has_straight_quotes('Écrivez `kind = "auto"` ou dites « oui ».')


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('from gcode.texts import told\ntold("Wait.")', ["x.py:2: Wait."]),
        ('from gcode.texts import told as words\nwords(f"Wait for {name}.", "code")', ["x.py:2: Wait for {}."]),
        ("from gcode.texts import told\ntold(line)", []),
        ('from gcode.texts import told\ntold(f"{line}: {value}")', []),
        ('from farm.language import told\ntold("Wait.")', []),
    ],
)
def test_which_sentences_are_untranslated(source: str, found: list[str]) -> None:
    assert list(untranslated_in(source, "x.py")) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('say("Wait.")', ["x.py:1: Wait."]),
        ('typer.echo(f"farm: wait for {name}", err=True)', ["x.py:1: farm: wait for {}"]),
        ('say(f"  {name}: {value}")', []),
        ('say(Bilingual("Wait.", "Attendez."))', []),
        ("typer.echo(spoken(text))", []),
    ],
)
def test_which_sentences_are_said_in_one_language(source: str, found: list[str]) -> None:
    assert list(in_one_language_in(source, "x.py")) == found
