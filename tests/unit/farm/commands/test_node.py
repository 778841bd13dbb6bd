"""`farm node page, status, collect, go-on` against the page of an agent with a scripted printer."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from farm.commands import node as node_command
from farm.commands.node import about, node_app
from farm.config import PageSection
from farm.errors import ConflictError, FarmError, NotFoundError
from farm.node import transcripts
from farm.node.join import Identity
from farm.node.page.local_page import LocalPage
from gcode.texts import Bilingual
from tests.patience import PATIENCE_S
from tests.unit.farm.node.fake_farm import IDENTITY, Workshop, printing, until

_ARGUMENTS = {
    "join": ["https://farm.local:8080", "BCDF-GHJK"],
    "collect": ["left", "--good", "1"],
    "clear-bed": ["left"],
    "answer": ["left"],
    "go-on": ["--yes"],
}


class Beside:
    """An agent that prints, with its page open, on a loop in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ready, self.over = threading.Event(), threading.Event()
        self.shop: Workshop | None = None
        self.job = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._work()))

    async def _work(self) -> None:
        async with printing(self.folder) as (shop, _, driver):
            self.shop, self.job = shop, driver.status.job or ""
            page = LocalPage(shop.agent, shop.settings.model_copy(update={"page": PageSection(port=0)}))
            serving = asyncio.create_task(page.serve())
            await until(lambda: page.open)
            self.ready.set()
            await asyncio.to_thread(self.over.wait)
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    def __enter__(self) -> "Beside":
        self._thread.start()
        assert self.ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._thread.join(PATIENCE_S)
        self._loop.close()

    def finish(self) -> None:
        async def end() -> None:
            assert self.shop is not None
            self.shop.drivers["left"].finishes()
            await self.shop.agent.settle()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(PATIENCE_S)

    def asks(self, text: str | Bilingual, *choices: str | Bilingual) -> None:
        async def ask() -> None:
            assert self.shop is not None
            self.shop.drivers["left"].asks(text, *choices)
            await self.shop.agent.settle()

        asyncio.run_coroutine_threadsafe(ask(), self._loop).result(PATIENCE_S)


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    with Beside(tmp_path) as made:
        yield made


def run(folder: Path, *words: str) -> str:
    result = CliRunner().invoke(node_app, [*words, "--data", str(folder)])
    if isinstance(result.exception, FarmError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return str(result.output)


def test_status_shows_printers_jobs_and_contact(beside: Beside) -> None:
    said = run(beside.folder, "status")
    assert "left bench: last contact with the farm about " in said
    assert " ago. Everything is told." in said
    assert "2 jobs may still start, also without the farm for about " in said
    assert f"left: printing 0%, bed occupied, {beside.job} (2 parts)" in said
    beside.finish()
    assert f"{beside.job} (2 parts, printed: collect it)" in run(beside.folder, "status")


def test_page_shows_the_address(beside: Beside) -> None:
    noted: dict[str, Any] = json.loads((beside.folder / "page.json").read_text())
    assert run(beside.folder, "page").endswith(f"http://127.0.0.1:{noted['port']}/\n")


def test_collect_takes_what_is_on_the_bed_and_names_it(beside: Beside) -> None:
    with pytest.raises(ConflictError, match="has not ended"):
        run(beside.folder, "collect", "left", "--good", "2")
    beside.finish()
    with pytest.raises(ConflictError, match="No such job"):
        run(beside.folder, "collect", "left", "--good", "2", "--job", "job-of-before")
    said = run(beside.folder, "collect", "left", "--good", "1", "--job", beside.job)
    assert said.endswith(f"Collected {beside.job}: 1 good, 1 scrap.\n")  # the agent of this test logs beside it
    with pytest.raises(ConflictError):
        run(beside.folder, "collect", "left", "--good", "1", "--job", beside.job)


def test_go_on_asks_first(beside: Beside) -> None:
    refused = CliRunner().invoke(node_app, ["go-on", "--data", str(beside.folder)], input="n\n")
    assert refused.exit_code == 1
    assert "parts too many" in refused.output
    assert beside.shop is not None
    assert beside.shop.agent.state.gone_on_s is None
    said = run(beside.folder, "go-on", "--yes")
    assert said.endswith("The printers go on for about 60 min: 2 jobs may start.\n")
    assert beside.shop.agent.state.gone_on_s is not None


def read_json(folder: Path, *words: str) -> Any:
    said = run(folder, *words, "--json")
    return json.loads(said[said.index("{\n") :])  # the agent of this test logs beside it


def test_programs_are_answered_in_json(beside: Beside) -> None:
    assert read_json(beside.folder, "page")["urls"] == [run(beside.folder, "page").splitlines()[-1]]
    state = read_json(beside.folder, "status")
    assert [printer["name"] for printer in state["printers"]] == ["left"]
    gone_on = read_json(beside.folder, "go-on", "-y")
    assert gone_on["jobs"] == 2
    assert 3_500 < gone_on["goes_on_s"] <= 3_600
    beside.finish()
    collected = read_json(beside.folder, "collect", "left", "--good", "2")
    assert collected == {"printer": state["printers"][0]["id"], "job": beside.job, "good": 2, "scrap": 0}


def test_a_bed_is_cleared_without_a_browser(beside: Beside) -> None:
    with pytest.raises(ConflictError):  # it prints
        run(beside.folder, "clear-bed", "left")
    beside.finish()
    assert run(beside.folder, "clear-bed", "left").endswith("left: noted that the bed is clear.\n")


def test_the_occupation_that_was_cleared_is_told_to_programs(beside: Beside) -> None:
    beside.finish()
    told = read_json(beside.folder, "clear-bed", "left")
    assert told["occupation"] == beside.job


def test_a_question_is_answered_beside_the_printer(beside: Beside) -> None:
    with pytest.raises(ConflictError, match="asks nothing"):
        run(beside.folder, "answer", "left", "1")
    beside.asks("Load filament", "Continue", "Cancel")
    assert "It asks: Load filament (farm node answer " in run(beside.folder, "status")
    assert run(beside.folder, "answer", "left").endswith("left asks: Load filament\n  1. Continue\n  2. Cancel\n")
    assert read_json(beside.folder, "answer", "left")["choices"] == ["Continue", "Cancel"]
    assert run(beside.folder, "answer", "left", "cancel").endswith("left: answered 'Cancel'.\n")
    assert beside.shop is not None
    assert beside.shop.drivers["left"].calls[-1] == ("answer", "prompt-1", 1)
    beside.asks("Again", "Continue")
    assert read_json(beside.folder, "answer", "left", "1")["prompt"] == "prompt-2"


def test_a_question_in_our_own_words_is_in_the_person_s_language(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    beside.asks(Bilingual("Is it dry?", "Est-ce sec ?"), Bilingual("Yes", "Oui"))
    assert "It asks: Is it dry? (farm node answer " in run(beside.folder, "status")
    in_english = read_json(beside.folder, "answer", "left")
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert "Elle demande : Est-ce sec ? (farm node answer " in run(beside.folder, "status")
    assert read_json(beside.folder, "answer", "left") == in_english
    assert run(beside.folder, "answer", "left").endswith("left demande : Est-ce sec ?\n  1. Oui\n")
    assert run(beside.folder, "answer", "left", "oui").endswith("left : répondu 'Oui'.\n")


def test_a_printer_of_the_node_is_named_as_for_the_farm(beside: Beside) -> None:
    beside.asks("Is it dry?", "Yes")
    (printer,) = json.loads(run(beside.folder, "status", "--json"))["printers"]
    for name in ("LEFT", printer["id"], printer["id"][-4:]):
        assert "left asks: Is it dry?" in run(beside.folder, "answer", name)
    with pytest.raises(NotFoundError) as refused:
        run(beside.folder, "answer", "right")
    assert str(refused.value) == "There is no printer right. `farm node status` names them."
    assert refused.value.bilingual.fr == "Il n'y a pas d'imprimante right. `farm node status` les nomme."


def test_what_a_machine_asks_cannot_steer_the_terminal(beside: Beside) -> None:
    beside.asks("Load \x1b[31m filament", "Go\x1b[2J")
    for words in (["answer", "left"], ["status"]):
        assert "\x1b" not in run(beside.folder, *words)
    assert "\x1b" not in run(beside.folder, "answer", "left", "1")


def test_transcripts_are_listed_and_read_without_an_agent(tmp_path: Path) -> None:
    assert run(tmp_path, "transcripts") == "None yet: one is kept when a printer that records its wire fails.\n"
    name = transcripts.file_name("prn-1", 1_800_000_000.0)
    transcripts.write(tmp_path / transcripts.FOLDER, name, b"# printer left\n1.0 > G28\n", reserve_bytes=0)
    assert run(tmp_path, "transcripts") == f"{name}  1 kB\n"
    assert json.loads(run(tmp_path, "transcripts", "--json")) == [{"name": name, "printer": "prn-1", "size_bytes": 25}]
    assert run(tmp_path, "transcripts", name) == "# printer left\n1.0 > G28\n"
    assert json.loads(run(tmp_path, "transcripts", name, "--json")) == {"name": name, "lines": ["# printer left", "1.0 > G28"]}
    with pytest.raises(NotFoundError):
        run(tmp_path, "transcripts", "../page.token")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (700, "12 min"),
        (5_400, "2 h"),
        (43_184, "12 h"),
        (172_800, "2 d"),
        (250_000, "3 d"),
    ],
)
def test_a_time_is_told_in_one_figure(seconds: float, text: str) -> None:
    assert about(seconds) == f"about {text}"


def shown(**farm: Any) -> dict[str, Any]:
    told = {"contact_age_s": None, "by_person": False, "untold": 0, "waiting": 0, "goes_on_s": None, **farm}
    printer = {
        "id": "p1", "name": "left", "state": "idle", "progress": None, "bed": "unknown", "reason": None,
        "occupation": {"id": "unknown-1", "kind": "unknown", "job": None, "outcome": None},
    }  # fmt: skip
    return {"name": "left bench", "farm": told, "disk": {"writable": True, "nearly_full": False}, "printers": [printer]}


class Told:
    """A page that shows a state."""

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state

    def state(self) -> dict[str, Any]:
        return self._state


def status_lines(monkeypatch: pytest.MonkeyPatch, state: dict[str, Any]) -> list[str]:
    monkeypatch.setattr(node_command, "_page", lambda *_: Told(state))
    return CliRunner().invoke(node_app, ["status"]).output.splitlines()


def test_after_a_start_without_the_farm_a_person_is_told_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    contact, may_start, printer = status_lines(monkeypatch, shown(waiting=1, goes_on_s=0.0, untold=1))
    assert contact == (
        "left bench: no contact with the farm since the agent started. 1 event waits to be told to the farm, safe on this computer."
    )
    assert may_start.startswith("1 job may still start, but not before the farm is back.")
    assert may_start.endswith(" node go-on")
    assert printer.startswith("left: idle, bed unknown, look at it, clear it and say so (`")
    assert printer.endswith(" node clear-bed p1`).")


def test_with_nothing_to_start_nobody_is_asked_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    contact, may_start, _ = status_lines(monkeypatch, shown(contact_age_s=7_300.0, by_person=True, untold=2))
    assert contact == (
        'left bench: somebody here said "go on" about 2 h ago. 2 events wait to be told to the farm, safe on this computer.'
    )
    assert may_start == "Nothing waits to be started: what comes next is for the farm to give."


def test_status_says_what_is_not_printed_here_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    state = shown()
    reason = {"code": "gcode-refused", "en": "The nozzle would be hotter \x1b[2J than this printer may be.", "fr": "Trop chaud."}
    state["printers"][0]["refusals"] = [{"program": "ab" * 32, "reason": reason}]
    (*_, refused) = status_lines(monkeypatch, state)
    assert refused.startswith("  It will not print abababababab: The nozzle would be hotter ")
    assert "\x1b" not in refused


def test_status_says_that_limits_stop_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = {"code": "limits-unreadable", "en": "limits.toml: no such \x1b[2J printer.", "fr": ""}
    (*_, said, _printer) = status_lines(monkeypatch, {**shown(), "limits_trouble": trouble})
    assert said.startswith("Nothing new starts on any printer. limits.toml: no such ")
    assert "\x1b" not in said


def test_a_french_terminal_is_told_in_french(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    state = shown(waiting=2, goes_on_s=7_300.0, untold=2, contact_age_s=90.0)
    trouble = {"code": "limits-unreadable", "en": "Wrong.", "fr": "Faux."}
    state["printers"][0]["reason"] = {"code": "bed-unknown", "en": "Look.", "fr": "Regardez."}
    contact, may_start, disk, limits, printer = status_lines(
        monkeypatch, {**state, "limits_trouble": trouble, "disk": {"writable": True, "nearly_full": True}}
    )
    assert contact == (
        "left bench : dernier contact avec la ferme il y a environ 2 min. "
        "2 faits attendent d'être dits à la ferme, en sûreté sur cet ordinateur."
    )
    assert may_start == "2 impressions peuvent encore démarrer, même sans la ferme pendant environ 2 h."
    assert disk.startswith("Le disque est plein ou presque")
    assert limits == "Rien de nouveau n'est lancé, sur aucune imprimante. Faux."
    assert printer.startswith("left : au repos, plateau inconnu ; regardez-le, videz-le et dites-le (`")
    assert printer.endswith(" node clear-bed p1`). Regardez.")


@pytest.mark.parametrize(("outcome", "says"), [(None, "(1 pièce)"), ("failed", "(1 pièce ; elle a échoué : à collecter)")])
def test_a_french_terminal_is_told_what_is_on_the_bed(monkeypatch: pytest.MonkeyPatch, outcome: str | None, says: str) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    state = shown()
    occupation = {"id": "job-1", "kind": "job", "job": {"job": "job-1", "parts": 1}, "outcome": outcome}
    state["printers"][0] |= {"occupation": occupation, "state": "printing", "bed": "occupied", "progress": 0.5}
    (*_, printer) = status_lines(monkeypatch, state)
    assert printer == f"left : imprime 50 %, plateau occupé, job-1 {says}."


def test_options_before_a_command_hold_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[object, object]] = []

    def page(config: Path | None, data: Path | None) -> Told:
        asked.append((config, data))
        return Told(shown())

    monkeypatch.setattr(node_command, "_page", page)
    for words in (
        ["--config", "a.toml", "--data", "d", "status"],
        ["--config", "a.toml", "status", "--data", "d"],
        ["--config", "other.toml", "status", "--config", "a.toml", "--data", "d"],
        ["status"],
    ):
        assert CliRunner().invoke(node_app, words).exit_code == 0
    assert asked == [*[(Path("a.toml"), Path("d"))] * 3, (None, None)]


@pytest.mark.parametrize("command", [info.name or getattr(info.callback, "__name__", "") for info in node_app.registered_commands])
def test_every_command_takes_the_options_of_the_group(command: str) -> None:
    said = CliRunner().invoke(node_app, ["--config", "/nowhere/node.toml", command, *_ARGUMENTS.get(command, [])])
    assert isinstance(said.exception, FarmError)
    assert "/nowhere/node.toml" in str(said.exception)


def test_joining_reads_the_configuration_that_stands_before_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    joined: list[Path] = []

    def join(_url: str, _code: str, folder: Path, name: str, *, again: bool) -> Identity:
        joined.append(folder)
        assert (name, again) == ("by the window", False)
        return IDENTITY

    monkeypatch.setattr("farm.node.join.join", join)
    config = tmp_path / "node.toml"
    config.write_text(f'data = "{tmp_path / "mine"}"\nname = "by the window"\n')
    said = CliRunner().invoke(node_app, ["--config", str(config), "join", "https://farm.local:8080", "BCDF-GHJK"])
    assert said.exit_code == 0, said.output
    assert joined == [tmp_path / "mine"]
    assert f"node --config {config}" in said.output
    assert "It has no printers yet" in said.output
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    said = CliRunner().invoke(node_app, ["--config", str(config), "join", "https://farm.local:8080", "BCDF-GHJK"])
    assert said.output.startswith(f"Ce nœud est maintenant {IDENTITY.node}, de la ferme {IDENTITY.farm_url}. Lancez-le avec : ")
    assert "Il n'a pas encore d'imprimantes" in said.output
