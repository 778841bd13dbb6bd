"""Every `farm ... --help` is said in French where the terminal is French, and says the same."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from farm import cli
from farm.commands.help_told import _ARGUMENTS, _TYPES, FrenchContext, in_french, table
from gcode.frame import frame_options
from tests.patience import PATIENCE_S
from tests.unit.test_texts import ending, has_straight_quotes, misspaced

COLUMNS = 80
# Names of arguments that are the same word in both languages.
SAME_NAMES = frozenset({"code", "url"})
# Words of typer, and of ours for what is typed, that no French help has.
ENGLISH = re.compile(r"Usage:|Commands:|\[ARGS\]|default:|required|env var:|<(?:str|int|float|path|list|bool)\b")
# What stands in a sentence as a person types or sees it, in every language.
_TYPED = re.compile(
    r"`[^`]*`|--[a-z-]+|\bFARM_[A-Z]+|[\w+]+://[^\s)]*|[\w./-]*\.(?:toml|md|pem|png|svg|jpg|stl|gcode|3mf|ufp)\b|\b\d+\b"
)
_PLACES = re.compile(r"\b[A-Z]{3,}\b")


def commands(context: typer.Context) -> Iterator[typer.Context]:
    """This command and all those inside, hidden ones too, as typer comes to them."""
    yield context
    command: Any = context.command
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        inner = command.get_command(context, name)
        yield from commands(inner.context_class(inner, parent=context, info_name=name))


def whole() -> list[typer.Context]:
    root: Any = get_command(cli.build())
    return list(commands(root.context_class(root, info_name="farm", help_option_names=["-h", "--help"])))


def texts(of: typer.Context) -> dict[str, str]:
    """What a command says of itself and of its parameters, by whose text it is."""
    command: Any = of.command
    said = {of.command_path: command, **{f"{of.command_path} {one.name}": one for one in command.get_params(of)}}
    found = {f"{name}.{kind}": getattr(one, kind, None) for name, one in said.items() for kind in ("help", "short_help", "epilog")}
    return {name: text for name, text in found.items() if text}


class Told:
    """All helps in one language."""

    def __init__(self, locale: str) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("LC_ALL", locale)
            patched.setenv("COLUMNS", str(COLUMNS))
            self.contexts = whole()
            self.shown = {context.command_path: context.get_help() for context in self.contexts}
            self.texts = {name: text for context in self.contexts for name, text in texts(context).items()}


@cache
def english() -> Told:
    return Told("C.UTF-8")


@cache
def french() -> Told:
    return Told("fr_FR.UTF-8")


def figures_of_a_frame() -> frozenset[str]:
    """Texts that `gcode.frame` has in both languages itself."""
    return frozenset(f"farm gcode frame {option.field}.help" for option in frame_options())


def paragraphs(told: Mapping[str, str]) -> set[str]:
    texts = (text for name, text in told.items() if name not in figures_of_a_frame())
    return {" ".join(paragraph.split()) for text in texts for paragraph in text.split("\n\n")}


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_every_command_is_looked_at() -> None:
    paths = set(english().shown)
    assert paths == set(french().shown)
    assert len(paths) >= 69
    assert {"farm", "farm node join", "farm gcode slice", "farm gcode frame", "farm requester change"} <= paths
    assert len(figures_of_a_frame() & set(english().texts)) == len(frame_options())


def test_every_text_has_its_french() -> None:
    untold = {name: text for name, text in english().texts.items() if french().texts[name] == text}
    assert untold == {}, "say it in farm/commands/help_fr.toml"


def test_every_paragraph_has_its_french() -> None:
    assert paragraphs(english().texts) - set(table()) == set(), "say it in farm/commands/help_fr.toml"


def test_nothing_is_told_that_no_command_says() -> None:
    assert set(table()) - paragraphs(english().texts) == set()


def test_a_paragraph_stands_in_the_table_once() -> None:
    lines = [
        line for line in files("farm.commands").joinpath("help_fr.toml").read_text("utf-8").splitlines() if line.startswith('"')
    ]
    assert len(lines) == len(table())


def pairs() -> list[tuple[str, str]]:
    """All texts with their French, those of the frames too."""
    ours = [(english().texts[name], french().texts[name]) for name in sorted(figures_of_a_frame())]
    return [*table().items(), *ours]


def test_what_is_typed_is_the_same_in_both_languages() -> None:
    assert [pair for pair in pairs() if typed(pair[0]) != typed(pair[1])] == []


def typed(text: str) -> list[str]:
    return sorted(_TYPED.findall(text))


def test_what_stands_for_an_argument_is_called_as_in_the_usage() -> None:
    known = {name.upper(): french_name.upper() for name, french_name in _ARGUMENTS.items()}
    for en, fr in pairs():
        assert {known[word] for word in _PLACES.findall(en) if word in known} <= set(_PLACES.findall(fr)), fr


def test_both_languages_end_in_the_same_way() -> None:
    assert [(en, fr) for en, fr in pairs() if ending(en) != ending(fr)] == []


def test_french_punctuation_has_its_space() -> None:
    assert [fr for _, fr in pairs() if misspaced(fr) or has_straight_quotes(fr)] == []
    spaced = re.compile(r"[^\s:;?!][;?!](?=\s|$)|[^\s:]:(?=\s|$)")
    assert [line for shown in french().shown.values() for line in shown.splitlines() if spaced.search(line)] == []


def test_arguments_are_named_in_french() -> None:
    named = [(parameter.name, parameter.metavar) for context in french().contexts for parameter in arguments(context)]
    assert {name for name, french_name in named if french_name in {None, name}} == SAME_NAMES
    shown = {parameter.metavar or parameter.name for context in english().contexts for parameter in arguments(context)}
    assert shown - SAME_NAMES == set(_ARGUMENTS)


def arguments(context: typer.Context) -> list[Any]:
    return [parameter for parameter in context.command.params if parameter.param_type_name == "argument"]


def test_every_type_has_a_french_word() -> None:
    used = {kind for shown in english().shown.values() for kind in re.findall(r"<[a-z\[\] ]+>", shown)}
    assert used == set(_TYPES)


def test_no_english_is_shown() -> None:
    sentences = [en for en, fr in table().items() if " " in en and en not in fr]
    for path, shown in french().shown.items():
        assert shown.startswith(f"Utilisation : {path} ")
        assert [en for en in sentences if en in one_line(shown)] == [], path
        assert ENGLISH.search(one_line(shown)) is None, path


def test_no_line_is_too_long_or_begins_with_a_colon_or_is_cut_behind_one() -> None:
    lines = [line for shown in french().shown.values() for line in shown.splitlines()]
    assert max(map(len, lines)) < COLUMNS
    assert [line for line in lines if re.match(r"\s*[:;?!»]", line) or re.search(r"[,:;]\.\.\.$", line)] == []


def test_the_english_is_as_typer_has_it() -> None:
    shown = english().shown["farm node join"]
    assert shown.startswith("Usage: farm node join [OPTIONS] {url} {code}\n\n  Join a farm with the code of an invitation.")
    assert "  code <str>  The code of your invitation, such as BCDF-GHJK  [required]\n" in shown
    assert shown.endswith("  -h, --help       Show this message and exit.")


# --- as it is typed


def run(monkeypatch: pytest.MonkeyPatch, words: str, locale: str = "fr_FR.UTF-8") -> int:
    monkeypatch.setenv("LC_ALL", locale)
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    monkeypatch.delenv("FARM_COMMAND", raising=False)
    monkeypatch.setattr("sys.argv", ["farm", *words.split()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


NODE_JOIN = """\
Utilisation : farm node join [OPTIONS] {url} {code}

  Rejoindre une ferme avec le code d'une invitation. Écrit dans le dossier de
  données qui est ce nœud.

Arguments :
  url <texte>   L'adresse de la ferme, comme https://farm.local:8080
                [obligatoire]
  code <texte>  Le code de votre invitation, comme BCDF-GHJK  [obligatoire]

Options :
  --config <chemin>  node.toml ; sans lui, les valeurs par défaut.
  --data <chemin>    Dossier de données, à la place de celui de la
                     configuration.
  --name <texte>     Comment on appelle ce nœud ; le nom de la machine si rien
                     n'est dit.
  --again            Remplacer l'identité que contient le dossier de données.
  -h, --help         Afficher cette aide et quitter.
"""


def test_a_maker_reads_how_to_join(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "node join --help") == 0
    assert capsys.readouterr() == (NODE_JOIN, "")


@pytest.mark.parametrize("words", ["gcode clean -h", "gcode frame -h", "orders -h", "-h"])
def test_all_kinds_of_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str) -> None:
    assert run(monkeypatch, words) == 0
    path = f"farm {words.removesuffix('-h')}".strip()
    assert capsys.readouterr() == (f"{french().shown[path]}\n", "")


@pytest.mark.parametrize(("words", "path"), [("gcode", "farm gcode"), ("", "farm")])
def test_a_command_that_is_only_begun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, path: str
) -> None:
    assert run(monkeypatch, words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.rstrip("\n") == french().shown[path]


def test_an_error_calls_an_argument_as_its_usage_does(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "gcode resume --layer 2") == 2
    assert capsys.readouterr().err == (
        "Utilisation : farm gcode resume [OPTIONS] {fichier}\n"
        "Essayez `farm gcode resume -h` pour l'aide.\n\nErreur : il manque l'argument 'fichier'.\n"
    )


@pytest.mark.parametrize(
    ("typed_so_far", "said"),
    [
        ("farm ", "invite\tCréer un code avec lequel un maker rejoint..."),
        ("farm node join --", "--name\tComment on appelle ce nœud ; le nom de la machine si rien n'est dit."),
        ("farm gcode sl", "slice\tFaire d'un objet un programme, avec le..."),
    ],
)
def test_a_shell_that_completes_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed_so_far: str, said: str
) -> None:
    asked = {"_FARM_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": typed_so_far}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    assert run(monkeypatch, "") == 0
    assert said in capsys.readouterr().out.splitlines()


def test_the_table_is_read_for_a_help_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    table.cache_clear()
    assert CliRunner().invoke(cli.build("gcode"), ["gcode", "profiles"]).exit_code == 0
    assert table.cache_info().misses == 0
    assert CliRunner().invoke(cli.build("gcode"), ["gcode", "profiles", "-h"]).exit_code == 0
    assert table.cache_info().misses == 1


def test_nothing_of_it_is_loaded_for_who_reads_english() -> None:
    program = "import sys; from farm.cli import build; build('gcode')(['gcode', '-h'], standalone_mode=False); print(*sys.modules)"
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True, timeout=PATIENCE_S
    )
    assert "farm.commands.gcode" in done.stdout.split()
    assert "farm.commands.help_told" not in done.stdout.split()


# --- the rules themselves


def test_what_nobody_has_said_in_french_stands_as_it_is() -> None:
    assert in_french("Who collected.\n\n  Something\n  new.") == "Qui a collecté.\n\nSomething new."


@pytest.mark.parametrize(
    ("english_text", "shown"),
    [
        ("Pixels.  [default: 960; 64<=x<=2400]", "Pixels.  [par défaut : 960 ; 64<=x<=2400]"),
        ("[x>=1; required]", "[x>=1 ; obligatoire]"),
        ("Such as [default: x]", "Such as [default: x]"),
        ("Which.  [default: required]", "Which.  [par défaut : required]"),
    ],
)
def test_remarks_of_typer(english_text: str, shown: str) -> None:
    formatter: Any = FrenchContext.formatter_class(width=70)
    formatter.write_dl([("--x", english_text)])
    assert formatter.getvalue() == f"--x  {shown}\n"


def test_a_name_of_a_new_argument_stands_as_it_is() -> None:
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    def paint(colour: str, file: str) -> None:
        """Nothing that matters."""

    command: Any = get_command(app)
    usage = FrenchContext(command, info_name="paint").get_usage()
    assert usage == "Utilisation : paint [OPTIONS] {colour} {fichier}"
