"""Configuration: the examples document every key, and a wrong one is told with the nearest known one."""

import tomllib
from pathlib import Path

import pytest

from farm.config import DaemonSettings, FileSettings, NodeSettings, PrinterSection, known_keys, load
from farm.errors import ConfigurationError

CONFIGS = Path(__file__).parents[3] / "configs"
EXAMPLES: list[tuple[str, type[FileSettings]]] = [("farm.toml", DaemonSettings), ("node.toml", NodeSettings)]


@pytest.mark.parametrize(("name", "kind"), EXAMPLES)
def test_an_example_is_valid_and_says_the_defaults(name: str, kind: type[FileSettings]) -> None:
    assert load(kind, CONFIGS / name) == load(kind, None)


@pytest.mark.parametrize(("name", "kind"), EXAMPLES)
def test_an_example_names_every_key(name: str, kind: type[FileSettings]) -> None:
    text = (CONFIGS / name).read_text()
    for key in known_keys(kind):
        assert key.rpartition(".")[2] in text, key


def test_the_commented_printer_of_the_node_example_is_valid() -> None:
    text = (CONFIGS / "node.toml").read_text()
    commented = [line.removeprefix("# ") for line in text.split("# [[printers]]")[1].splitlines()[1:]]
    table = tomllib.loads("\n".join(line for line in commented if line.split(" ")[0] in PrinterSection.model_fields))
    assert set(table) == set(PrinterSection.model_fields)
    PrinterSection(**table)


@pytest.mark.parametrize(
    ("content", "detail", "next_step"),
    [
        ("[http]\nprot = 1", "there is no key http.prot", "Did you mean http.port?"),
        ("dta = 'x'", "there is no key dta", "Did you mean data?"),
        ("zzzzzz = 1", "there is no key zzzzzz", "Known keys are: data"),
        ("[http]\nport = 70000", "http.port", "Correct http.port"),
        ("[http\nport = 1", "not valid TOML", "Correct that line"),
        ("[farm]\nname = ''", "farm.name", "Correct farm.name"),
    ],
)
def test_a_wrong_file_is_a_clear_error(tmp_path: Path, content: str, detail: str, next_step: str) -> None:
    path = tmp_path / "farm.toml"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        load(DaemonSettings, path)
    assert detail in caught.value.detail
    assert str(path) in caught.value.detail
    assert next_step in caught.value.next_step


@pytest.mark.parametrize(
    ("kind", "content", "detail", "next_step"),
    [
        (DaemonSettings, "[http]\nprot = 1", "il n'y a pas de clé http.prot", "Vouliez-vous dire http.port ?"),
        (DaemonSettings, "zzzzzz = 1", "il n'y a pas de clé zzzzzz", "Les clés connues sont : data"),
        (
            DaemonSettings,
            "[http]\nport = 70000",
            "http.port : Il faut au plus 65535 ; la valeur donnée est 70000.",
            "Corrigez http.port",
        ),
        (DaemonSettings, "[http]\nport = 'many'", "http.port : Il faut un nombre entier", "Corrigez http.port"),
        (DaemonSettings, "[http]\nport = 'many'", "la valeur donnée est 'many'.", "Corrigez http.port"),
        (DaemonSettings, "[farm]\nname = ''", "farm.name : Il faut au moins 1 caractère", "Corrigez farm.name"),
        (DaemonSettings, "[clock]\nfactor = 0", "clock.factor : Il faut plus de 0", "Corrigez clock.factor"),
        (
            DaemonSettings,
            "[log]\nlevel = 'loud'",
            "log.level : Il faut 'debug', 'info', 'warning' ou 'error'",
            "Corrigez log.level",
        ),
        (
            DaemonSettings,
            "[log]\njson_lines = 'si'",
            "log.json_lines : Il faut oui ou non (true ou false)",
            "Corrigez log.json_lines",
        ),
        (DaemonSettings, "data = 7", "data : Il faut un chemin de fichier", "Corrigez data"),
        (DaemonSettings, "http = 5", "http : Il faut un objet", "Corrigez http"),
        (NodeSettings, "[[printers]]\nname = 'a'", "printers.url : Ce champ est nécessaire.", "Corrigez printers.url"),
        (NodeSettings, "printers = 1", "printers : Il faut une liste", "Corrigez printers"),
        (DaemonSettings, "[http\nport = 1", "n'est pas du TOML valable", "Corrigez cette ligne."),
        (DaemonSettings, "[http\nport = 1", "(ligne 1, colonne 6)", "Corrigez cette ligne."),
        (DaemonSettings, "data = [", "(à la fin du fichier)", "Corrigez cette ligne."),
    ],
)
def test_a_wrong_file_is_a_clear_error_in_french(
    tmp_path: Path, kind: type[FileSettings], content: str, detail: str, next_step: str
) -> None:
    path = tmp_path / "some.toml"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        load(kind, path)
    assert caught.value.detail_fr.startswith(str(path))
    assert detail in caught.value.detail_fr
    assert next_step in caught.value.next_step_fr


@pytest.mark.parametrize(
    ("content", "given"),
    [
        ("[http]\nport = 70000", ", not 70000."),
        ("[log]\nlevel = 'loud'", ", not 'loud'."),
        ("[farm]\nname = '" + "x" * 90 + "'", ", not '" + "x" * 60 + "'."),
        ("[http]\nhost = true", ", not true."),
        ("http = [1]", " instance of HttpSection."),
    ],
)
def test_a_wrong_value_is_said_back_when_it_is_one_word(tmp_path: Path, content: str, given: str) -> None:
    path = tmp_path / "farm.toml"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        load(DaemonSettings, path)
    assert caught.value.detail.endswith(given)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (NodeSettings, "[[printers]]\nname = 'a'\nprofile = 'p'\nurl = '" + "octoprint://hunter2@" + "x" * 500 + "'"),
        (DaemonSettings, "[broker]\nurls = 'mqtt://daemon:hunter2@host'"),
        (DaemonSettings, "[http]\ntokken = 'hunter2'"),
        (DaemonSettings, "broker = 'mqtt://daemon:hunter2@host'"),
        (DaemonSettings, "[http]\nport = 'https://daemon:hunter2@host:8000'"),
        (NodeSettings, "printers = 'octoprint://hunter2@host'"),
    ],
)
def test_what_may_hold_a_secret_is_never_said_back(tmp_path: Path, kind: type[FileSettings], content: str) -> None:
    path = tmp_path / "some.toml"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        load(kind, path)
    assert "hunter2" not in caught.value.bilingual.en + caught.value.bilingual.fr


def test_a_printer_without_a_profile_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('[[printers]]\nname = "a"\nurl = "virtual://"')
    with pytest.raises(ConfigurationError, match=r"printers\.profile"):
        load(NodeSettings, path)


def test_a_missing_a_binary_and_a_huge_file_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        load(DaemonSettings, tmp_path / "absent.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"not text in UTF-8 \(byte 1\)") as caught:
        load(DaemonSettings, binary)
    assert caught.value.detail_fr == f"{binary} n'est pas du texte en UTF-8 (octet 1)."
    huge = tmp_path / "huge.toml"
    huge.write_bytes(b"#" * (1024**2 + 1))
    with pytest.raises(ConfigurationError, match="larger than 1 MB"):
        load(DaemonSettings, huge)


def test_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "farm.toml"
    path.write_text("[http]\nport = 9001")
    monkeypatch.setenv("FARM_HTTP__PORT", "9002")
    monkeypatch.setenv("FARM_CONFIG", "ignored")
    assert load(DaemonSettings, path).http.port == 9002


@pytest.mark.parametrize(
    ("content", "variables", "wanted"),
    [
        ("", {"FARM_DATA": "elsewhere"}, {"data": Path("elsewhere")}),
        ("", {"farm_data": "elsewhere"}, {"data": Path("elsewhere")}),
        ("[http]\nport = 1\nhost = 'a'", {"FARM_HTTP__PORT": "2"}, {"http": {"port": 2, "host": "a"}}),
        ("[http]\nport = 1\nhost = 'a'", {"FARM_HTTP": '{"port": 2}'}, {"http": {"port": 2, "host": "a"}}),
        ("", {"FARM_HTTP": '{"port": 2}', "FARM_HTTP__PORT": "3"}, {"http": {"port": 3}}),
        ("", {"FARM_HTTP__NAMES": '["a", "b"]'}, {"http": {"names": ["a", "b"]}}),
        ("", {"FARM_BROKER__URLS": '["mqtt://a:1"]'}, {"broker": {"urls": ["mqtt://a:1"]}}),
        ("", {"FARM_BROKER__USERS_FILE": "/etc/users"}, {"broker": {"users_file": Path("/etc/users")}}),
        ("", {"FARM_FARM__NAME": "7"}, {"farm": {"name": "7"}}),
        ("", {"FARM_LOG__JSON_LINES": "true"}, {"log": {"json_lines": True}}),
    ],
)
def test_what_variables_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, variables: dict[str, str], wanted: dict[str, object]
) -> None:
    path = tmp_path / "farm.toml"
    path.write_text(content)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = load(DaemonSettings, path)
    plain = DaemonSettings.model_validate(wanted)
    assert found == plain


def test_printers_of_a_node_in_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_PRINTERS", '[{"name": "a", "url": "manual://", "profile": "generic-210"}]')
    assert [one.name for one in load(NodeSettings, None).printers] == ["a"]


@pytest.mark.parametrize(
    ("content", "variable", "value", "detail"),
    [
        ("", "FARM_HTTP__NAMES", "a,b", "FARM_HTTP__NAMES is no JSON"),
        ("", "FARM_HTTP", "9000", r"http: Input should be"),
        ("http = 5", "FARM_HTTP__PORT", "x", r"http\.port: Input should be a valid integer"),
        ("", "FARM_HTTP__PORT", "99999999", r"http\.port: Input should be less"),
        ("", "FARM_BROKER__KIND", "other", r"broker\.kind: Input should be 'auto'"),
    ],
)
def test_a_variable_that_cannot_be_meant_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, variable: str, value: str, detail: str
) -> None:
    path = tmp_path / "farm.toml"
    path.write_text(content)
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=detail):
        load(DaemonSettings, path)


def test_only_load_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_HTTP__PORT", "9002")
    assert DaemonSettings().http.port == 8080


def test_a_scaled_clock_shares_its_origin(tmp_path: Path) -> None:
    path = tmp_path / "farm.toml"
    path.write_text("[clock]\nfactor = 60.0\norigin_wall_s = 1000.0")
    clock = load(DaemonSettings, path).clock.clock()
    assert (clock.factor, clock.origin_wall_s) == (60.0, 1000.0)
    assert load(DaemonSettings, None).clock.clock().factor == 1.0


@pytest.mark.parametrize(
    ("kind", "variable", "next_step"),
    [
        (DaemonSettings, "FARM_HTP__PORT", "Did you mean FARM_HTTP__PORT?"),
        (DaemonSettings, "FARM_BROKR__TLS_PORT", "Did you mean FARM_BROKER__TLS_PORT?"),
        (DaemonSettings, "FARM_DATA__X", "Unset it; known are FARM_FARM__…"),
        (DaemonSettings, "FARM_ZZZZZZZZZZ__QQQQQQ", "known are FARM_FARM__…, FARM_HTTP__…"),
        (NodeSettings, "NODE_LOGG__LEVEL", "Did you mean NODE_LOG__LEVEL?"),
    ],
)
def test_a_variable_that_names_no_section_is_told_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, kind: type[FileSettings], variable: str, next_step: str
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ConfigurationError) as caught:
        load(kind, None)
    assert variable in caught.value.detail
    assert next_step in caught.value.next_step
    assert variable in caught.value.detail_fr
    assert caught.value.next_step_fr.startswith(("Vouliez-vous dire", "Supprimez cette variable"))


def test_a_key_of_a_section_that_is_not_there_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_HTTP__PROT", "1")
    with pytest.raises(ConfigurationError, match=r"http\.prot"):
        load(DaemonSettings, None)


@pytest.mark.parametrize("variable", ["FARM_COMMAND", "FARM_CONFIG", "FARMHOUSE__CAT", "NODE_OPTIONS", "OTHER_HTTP__PORT"])
def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")
    assert load(DaemonSettings, None) == load(DaemonSettings, CONFIGS / "farm.toml")
    load(NodeSettings, None)


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        ([], ()),
        (["22:00-07:00"], ((79_200.0, 25_200.0),)),
        (["12:30-14:00", "00:00-23:59"], ((45_000.0, 50_400.0), (0.0, 86_340.0))),
    ],
)
def test_quiet_hours_are_seconds_since_midnight(texts: list[str], wanted: tuple[tuple[float, float], ...]) -> None:
    assert PrinterSection(name="a", url="manual://", profile="generic-210", quiet_hours=texts).quiet == wanted


@pytest.mark.parametrize(
    "text", ["22-07", "22:00", "24:00-07:00", "22:60-07:00", "22:00 - 07:00", "mon 22:00-07:00", "22:00-22:00", ""]
)
def test_quiet_hours_that_cannot_be_meant_are_a_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "node.toml"
    path.write_text(f'[[printers]]\nname = "a"\nurl = "manual://"\nprofile = "generic-210"\nquiet_hours = ["{text}"]\n')
    with pytest.raises(ConfigurationError) as caught:
        load(NodeSettings, path)
    assert f"printers.quiet_hours: {text!r}" in caught.value.detail
    assert "Value error" not in caught.value.detail
    assert f"printers.quiet_hours : {text!r}" in caught.value.detail_fr
    assert "printers.quiet_hours" in caught.value.next_step
