"""`farm program`, against a real socket: what is added, what is said of it, and who answers."""

from pathlib import Path
from typing import Any

import pytest

from farm.commands import programs
from farm.commands.client import FarmClient, ProblemError
from farm.errors import ConfigurationError, ConflictError, FarmError, InvalidError, NotFoundError
from tests.unit.farm.commands.conftest import Farm

ADD = ("--design", "visor-frame", "--revision", "visor-frame-r1", "--profile", "generic-210", "--parts", "2")
FRENCH = "fr_FR.UTF-8"
GCODE = b"G28\nG1 X1\n" * 20_000


def write(folder: Path, content: bytes = GCODE, name: str = "visor.gcode") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


@pytest.fixture
def visor(farm: Farm, tmp_path: Path) -> str:
    """A program that was added by the command line: its SHA-256."""
    view = farm.json("program", "add", write(tmp_path), *ADD)
    assert (view["parts"], view["name"], view["size_bytes"]) == (2, "visor.gcode", 200_000)
    return str(view["sha256"])


@pytest.fixture
def trusted(farm: Farm, tmp_path: Path) -> str:
    """One that needs somebody who answers for it."""
    return str(farm.json("program", "add", write(tmp_path, b"M907 X1\n" + GCODE), *ADD)["sha256"])


def test_a_program_is_added_once(farm: Farm, visor: str, tmp_path: Path) -> None:
    again = farm.run("program", "add", str(tmp_path / "visor.gcode"), *ADD)
    assert again.stdout == f"{visor[:12]}: 2 x visor-frame-r1 on generic-210, 1 h 0 min, 24 g\n"
    assert (
        farm.run("program", "list").stdout
        == f"{visor[:12]}: 2 x visor-frame-r1 on generic-210, 1 h 0 min, visor.gcode, design visor-frame\n"
    )
    assert len(farm.json("program", "list")) == 1


def test_a_design_is_listed_by_the_name_that_people_gave_it(farm: Farm, visor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known, asked = FarmClient.get, "/designs"

    def renamed(client: FarmClient, path: str, **words: Any) -> Any:
        answer = known(client, path, **words)
        return [{**design, "name": "Visor of March"} for design in answer] if path == asked else answer

    monkeypatch.setattr(FarmClient, "get", renamed)
    assert farm.run("program", "list").stdout.startswith(visor[:12])
    assert "design Visor of March\n" in farm.run("program", "list").stdout


def test_a_file_that_cannot_be_read(farm: Farm, tmp_path: Path) -> None:
    error = farm.run("program", "add", str(tmp_path / "missing"), *ADD).exception
    assert isinstance(error, ConfigurationError)
    assert error.exit_code == 2


def test_a_library_without_programs_says_so(farm: Farm) -> None:
    assert farm.run("program", "list").stdout == "No programs yet.\n"
    assert farm.run("program", "list", locale=FRENCH).stdout == "Aucun programme.\n"
    assert farm.json("program", "list") == []


def test_an_empty_file_is_not_sent(farm: Farm, tmp_path: Path) -> None:
    error = farm.run("program", "add", write(tmp_path, b""), *ADD).exception
    assert isinstance(error, InvalidError)
    assert error.code == "empty"
    assert "est vide. Exportez" in error.bilingual.fr


def test_a_file_that_the_farm_refuses(farm: Farm, tmp_path: Path) -> None:
    error = farm.run("program", "add", write(tmp_path, b"hello"), *ADD).exception
    assert isinstance(error, FarmError)
    assert (error.code, error.exit_code) == ("not-gcode", 1)


def test_a_rejected_file_names_line_and_remedy(farm: Farm, tmp_path: Path) -> None:
    path = write(tmp_path, b"G28\nG1 X1\nM502\n")
    result = farm.run("program", "add", path, *ADD)
    assert isinstance(result.exception, ProblemError)
    assert result.exception.code == "gcode-rejected"
    assert result.stdout.splitlines() == ["reject settings: M502 is used.", "  line 3: M502", "  -> Remove the line."]
    assert farm.run("program", "add", path, *ADD, locale=FRENCH).stdout.splitlines() == [
        "refus settings : M502 est utilisé.",
        "  ligne 3 : M502",
        "  -> Retirez la ligne.",
    ]


def test_a_draft_is_not_released_by_its_upload(farm: Farm, tmp_path: Path) -> None:
    farm.run("program", "add", write(tmp_path), *ADD, "--draft")
    assert farm.control.designs()[0].drafts == ["visor-frame-r1"]
    assert farm.run("program", "list").stdout.endswith(", visor.gcode, design visor-frame, draft\n")
    farm.run("program", "add", write(tmp_path, GCODE + b";2"), *ADD[:3], "visor-frame-r2", *ADD[4:], "--by", "Eve")
    assert farm.control.revision("visor-frame-r2").released_by == "Eve"


def test_a_big_file_shows_how_far_it_is_and_a_small_one_does_not(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(programs._Bar, "step", lambda _self, view: seen.append(view.state))
    monkeypatch.setattr(programs, "BIG_BYTES", 100_000)
    result = farm.run("program", "add", write(tmp_path), *ADD)
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("24 g\n")
    assert len(farm.control.programs()) == 1
    assert farm.json("program", "list")[0]["size_bytes"] == 200_000  # all of it was sent through the bar


def test_who_adds_waits_until_the_farm_has_ended(farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path)
    steps = iter(["waiting", "checking", "drawing"])
    real = FarmClient.get

    def slowly(client: FarmClient, where: str, **query: str | int) -> Any:
        answer = real(client, where, **query)
        if where.startswith("/uploads/") and (step := next(steps, None)) is not None:
            return {**answer, "state": step, "program": None}
        return answer

    def begun(client: FarmClient, *arguments: Any, **more: Any) -> Any:
        return {**upload(client, *arguments, **more), "state": "waiting", "program": None}

    upload = FarmClient.upload
    monkeypatch.setattr(FarmClient, "get", slowly)
    monkeypatch.setattr(FarmClient, "upload", begun)
    monkeypatch.setattr(programs, "_LOOK_FIRST_S", 0.001)
    monkeypatch.setattr(programs, "_LOOK_MOST_S", 0.001)
    assert farm.run("program", "add", path, *ADD).exit_code == 0
    assert next(steps, None) is None


def test_a_daemon_that_knows_no_background_answers_at_once(farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = FarmClient.upload

    def at_once(client: FarmClient, *arguments: Any, **_: Any) -> Any:
        return upload(client, *arguments)

    monkeypatch.setattr(FarmClient, "upload", at_once)
    assert "2 x visor-frame-r1" in farm.run("program", "add", write(tmp_path), *ADD).stdout


def test_warnings_about_a_program_are_told(farm: Farm, visor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    warning = {"code": "hot", "en": "It heats to 260 °C.", "fr": "Elle chauffe à 260 °C."}
    row = {**farm.json("program", "list")[0], "warnings": [warning]}
    monkeypatch.setattr(FarmClient, "get", lambda _client, path: [row] if path == "/programs" else [])
    assert farm.run("program", "list").stdout.splitlines()[1] == "    warning: It heats to 260 °C."
    assert farm.french("program", "list").splitlines()[1] == "    attention : Elle chauffe à 260 °C."


# --- show -------------------------------------------------------------------------------------------------------------------------


def test_a_program_is_shown_with_every_finding_and_its_line(farm: Farm, trusted: str) -> None:
    lines = farm.run("program", "show", trusted[:8]).stdout.splitlines()
    assert lines[0] == f"{trusted}  visor.gcode"
    assert "  generic-210: trusted-only (rules 1, revision 1)" in lines
    assert "    trust motor-current: M907 is used." in lines
    assert "      line 1: M907" in lines, "what the line says already is not said twice"
    assert "      -> Remove the line." in lines
    assert any("needs somebody who answers for motor-current" in line for line in lines)
    others = [profile.id for profile in farm.control.profiles() if profile.id != "generic-210"]
    (short,) = [line for line in lines if line.startswith("  trusted-only on ")]
    assert set(short.removeprefix("  trusted-only on ").split(", ")) == set(others)
    assert not any(
        line.startswith("  trusted-only on ") for line in farm.run("program", "show", trusted, "--all").stdout.splitlines()
    )
    assert farm.json("program", "show", trusted)["reports"][0]["findings"][0]["rule"] == "motor-current"


@pytest.mark.parametrize(("beginning", "error"), [("0" * 64, NotFoundError), ("abc", NotFoundError), ("zzzzzzz", NotFoundError)])
def test_a_hash_that_is_none(farm: Farm, visor: str, beginning: str, error: type[Exception]) -> None:
    assert isinstance(farm.run("program", "show", beginning).exception, error)


def test_the_beginning_of_two_hashes(farm: Farm, visor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FarmClient, "get", lambda *_: [{"sha256": "abcdef" + "0" * 58}, {"sha256": "abcdef" + "1" * 58}])
    assert isinstance(farm.run("program", "show", "abcdef").exception, ConflictError)


# --- release ----------------------------------------------------------------------------------------------------------------------


def test_a_person_answers_and_takes_it_back(farm: Farm, trusted: str) -> None:
    listed = farm.run("program", "list").stdout
    assert f"farm program release {trusted[:12]} --by NAME --reason WHY" in listed
    result = farm.run("program", "release", trusted[:12], "--by", "Eve Martin", "--reason", "Our boards take it.")
    assert result.stdout == f"{trusted[:12]}: Eve Martin answers for motor-current. It may be printed.\n"
    assert "released by Eve Martin (motor-current): Our boards take it." in farm.run("program", "list").stdout
    withdrawn = farm.run("program", "withdraw", trusted, "--by", "Adam", "--reason", "The motor was hot.")
    assert "nobody answers" in withdrawn.stdout
    entry = farm.control.audit_rows[0]
    assert (entry.who, entry.action, entry.reason) == ("Adam", "program.withdraw", "The motor was hot.")
    assert not farm.control.program_rows[trusted].usable
    error = farm.run("program", "withdraw", trusted).exception
    assert isinstance(error, ProblemError)
    assert error.code == "not-released"


def test_a_file_added_by_mistake_is_removed_once_somebody_means_it(farm: Farm, visor: str) -> None:
    assert farm.run("program", "remove", visor[:12]).exit_code != 0
    assert len(farm.json("program", "list")) == 1
    result = farm.run("program", "remove", visor[:12], "--yes", "--by", "Eve", "--reason", "wrong parts")
    assert result.stdout == f"{visor[:12]} is removed.\n"
    assert farm.json("program", "list") == []
    assert (farm.control.audit_rows[0].who, farm.control.audit_rows[0].reason) == ("Eve", "wrong parts")


def order(farm: Farm, revision: str, destination: str) -> str:
    return str(farm.json("order", "visor-frame", "4", "--revision", revision, "--destination", destination)["id"])


def test_orders_that_nothing_could_be_made_for_are_told_before_a_removal(farm: Farm, visor: str, tmp_path: Path) -> None:
    said = "visor-frame-r1 stays, without any program. 2 open orders wait until another program prints it."
    assert "open order" not in farm.run("program", "remove", visor).output
    order(farm, "visor-frame-r1", "Palaiseau")
    cancelled = order(farm, "visor-frame-r1", "Orsay")
    order(farm, "visor-frame-r1", "Massy")
    assert farm.run("orders", "cancel", cancelled, "--yes").exit_code == 0
    asked = farm.run("program", "remove", visor).stderr
    assert asked.startswith(f"{said}\nRemove visor.gcode"), "before the question"
    other = farm.json("program", "add", write(tmp_path, GCODE + b";2"), *ADD)["sha256"]
    assert "open order" not in farm.run("program", "remove", visor).stderr, "the other one prints it"
    farm.run("program", "remove", other, "--yes")
    assert farm.run("program", "remove", visor, "--yes").stderr == f"{said}\n", "also where nobody is asked"


def test_what_a_removal_means_is_told_in_french(farm: Farm, visor: str) -> None:
    order(farm, "visor-frame-r1", "Palaiseau")
    asked = farm.run("program", "remove", visor, locale=FRENCH).stderr.splitlines()
    assert asked[0] == "visor-frame-r1 reste, sans aucun programme. 1 commande ouverte attend qu'un autre programme l'imprime."
    assert asked[1].startswith("Supprimer visor.gcode (2 x visor-frame-r1 pour generic-210) de la ferme ? Son fichier disparaît")


def test_a_removal_is_told_in_french(farm: Farm, visor: str) -> None:
    assert farm.french("program", "remove", visor, "--yes") == f"{visor[:12]} est supprimé.\n"


def test_a_program_from_beginning_to_end_in_french(farm: Farm, trusted: str) -> None:
    short = trusted[:12]
    listed = farm.french("program", "list").splitlines()
    assert listed[0] == f"{short} : 2 x visor-frame-r1 pour generic-210, 1 h 0 min, visor.gcode, modèle visor-frame"
    assert listed[1:3] == [
        "    attend quelqu'un qui réponde de motor-current :",
        f"    farm program release {short} --by NOM --reason RAISON",
    ]
    shown = farm.french("program", "show", trusted).splitlines()
    assert shown[1] == "  2 pièces de visor-frame-r1 pour generic-210, PLA, buse 0,4 mm"
    assert shown[2].endswith(" octets")
    assert "couche" in shown[2]
    assert "  generic-210 : seulement si quelqu'un en répond (règles 1, révision 1)" in shown
    assert "    à valider motor-current : M907 est utilisé." in shown
    released = farm.french("program", "release", trusted, "--by", "Eve", "--reason", "Nos cartes le supportent.")
    assert released == f"{short} : Eve répond de motor-current. Il peut être imprimé.\n"
    assert "    validé par Eve (motor-current) : Nos cartes le supportent." in farm.french("program", "list")
    assert "plus personne n'en répond" in farm.french("program", "withdraw", trusted)


def test_what_names_no_program_is_told_in_french(farm: Farm, visor: str) -> None:
    error = farm.run("program", "show", "abc").exception
    assert isinstance(error, NotFoundError)
    assert error.bilingual.fr == "Il n'y a pas de programme abc. `farm program list` les nomme."


def test_a_release_needs_a_person_and_a_reason(farm: Farm, trusted: str) -> None:
    assert farm.run("program", "release", trusted).exit_code == 2
    assert farm.run("program", "release", trusted, "--by", "Eve").exit_code == 2
    error = farm.run("program", "release", trusted, "--by", "operator", "--reason", "because").exception
    assert isinstance(error, ProblemError)
    assert error.code == "invalid"
