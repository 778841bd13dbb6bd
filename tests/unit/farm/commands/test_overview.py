"""What `farm status` shows, at the widths of real terminals."""

from pathlib import Path

import pytest
from rich.cells import cell_len

from api.testing import MemoryControl
from drivers.base import PrinterState
from farm.bus.messages import FaultNote, PromptNote, ReasonNote
from farm.commands.overview import duration, hands, number_of, overview, silences
from farm.views import AlarmView, FarmView, FenceView, JobView, OccupationView, OrderView, StockView
from scheduler.model import BedState, JobOutcome, OccupationKind

WHY = [
    ReasonNote(code="a", en="3 printers: Its node has not been heard lately.", fr="x"),
    ReasonNote(code="b", en="1 printer: Parts wait on the bed: collect them.", fr="y"),
]

WAITING = JobView(
    id="job-1",
    order="ord-1",
    revision="visor-frame-r3",
    program="0" * 64,
    printer="prn-1",
    node="nod-1",
    allocation="alloc-1",
    parts=1,
    state="ended",
    outcome=JobOutcome.PRINTED,
    detail="",
    good=0,
    scrap=0,
    started_at=1.0,
    ended_at=2.0,
    collected_at=None,
    collected_by=None,
    written_off=False,
)


@pytest.fixture
def control(tmp_path: Path) -> MemoryControl:
    return MemoryControl(tmp_path)


def order(key: str = "ord-1", **fields: object) -> OrderView:
    values = {"revision": "visor-frame-r3", "destination": "CHU de Nantes", "quantity": 500, "good": 120, "owed": 380, **fields}
    known = {"id": key, "design": "visor-frame", "scrap": 3, "expected": 9, "to_allocate": 9, "priority": 0, "state": "open"}
    return OrderView.model_validate({**known, "created_at": 1.0, **values})


def shown(farm: FarmView, width: int = 80) -> list[str]:
    return [line for line, _ in overview(farm, width)]


@pytest.mark.parametrize("width", [80, 120])
def test_names_are_whole_and_lines_fit(control: MemoryControl, width: int) -> None:
    long = "Prusa MK3S de l'atelier du fond à gauche, numéro douze, celle qui grince"
    control.add_printer("prn-1", "Ender 3", state=PrinterState.PRINTING, progress=0.5, nozzle_target_c=215.0, why_not=WHY)
    control.add_printer("prn-2", long)
    control.order_rows["ord-1"] = order(why_waiting=WHY)
    lines = shown(control.snapshot(), width)
    assert max(map(cell_len, lines)) <= width
    row = lines.index(next(line for line in lines if line.startswith("visor-frame-r3")))
    assert lines[row].split() == ["visor-frame-r3", "120", "500", "380", "24%", "open"]
    reasons = " ".join(line.strip() for line in lines[row + 1 : row + 3])
    assert reasons.startswith("For CHU de Nantes. 3 printers: Its node has not been heard lately. 1 printer: Parts wait")
    assert ".;" not in "\n".join(lines)
    assert long in " ".join(" ".join(lines).split())
    assert any(line.split() == ["Ender", "3", "printing", "50%", "21/215°", "21/0°", "clear"] for line in lines)


def test_a_name_that_several_have_comes_with_its_id(control: MemoryControl) -> None:
    for key, name in (("prn-1", "Ender"), ("prn-2", "ender"), ("prn-3", "Prusa")):
        control.add_printer(key, name)
    control.order_rows = {key: order(key) for key in ("ord-1", "ord-2")} | {"ord-3": order("ord-3", destination="Mairie")}
    text = "\n".join(shown(control.snapshot(), 120))
    for known in ("Ender (prn-1)", "ender (prn-2)", "visor-frame-r3 (ord-1)", "visor-frame-r3 (ord-2)"):
        assert known in text
    assert "prn-3" not in text
    assert "ord-3" not in text


def test_nodes_that_are_silent_are_shown(control: MemoryControl) -> None:
    rows = [control.add_node(key) for key in ("near", "far", "never")]
    near, far, never = rows
    quiet = [
        near,
        far.model_copy(update={"online": False, "suspect": True, "silent_s": 7_500.0}),
        never.model_copy(update={"online": False, "silent_s": None}),
    ]
    expected = ["Node far: not connected for 2 h 5 min.", "Node never: not heard since the daemon started."]
    assert silences(quiet) == expected
    control.node_rows = {row.id: row for row in quiet}
    assert f"- {expected[0]}" in shown(control.snapshot())


def test_faults_are_hands_too(control: MemoryControl) -> None:
    fault = FaultNote(code="x", text="Error:x", meaning_en="Too hot.", action_en="Let it cool.")
    control.add_printer("prn-1", "one", state=PrinterState.FAULT, fault=fault, ready=False)
    assert hands(control.snapshot()) == ["one: Too hot. Let it cool."]


def test_a_printer_that_its_node_has_lost_wants_a_look(control: MemoryControl) -> None:
    control.add_printer("prn-1", "one", state=PrinterState.OFFLINE, ready=False)
    control.add_printer("prn-2", "of a silent node", state=PrinterState.OFFLINE, online=False, ready=False)
    assert hands(control.snapshot()) == ["one: it does not answer: look below why."]


@pytest.mark.parametrize(
    ("recovery", "said"),
    [
        ("by-itself", "It goes on by itself."),
        ("by-hand", "It needs a hand."),
        ("never", "It needs repair before it prints again."),
        ("by-magic", ""),  # a newer node
    ],
)
def test_a_fault_says_what_it_takes(control: MemoryControl, recovery: str, said: str) -> None:
    fault = FaultNote(code="x", text="Error:x", meaning_en="Too hot.", action_en="Let it cool.", recovery=recovery)
    control.add_printer("prn-1", "one", state=PrinterState.FAULT, fault=fault, ready=False)
    assert hands(control.snapshot()) == [f"one: Too hot. Let it cool. {said}".strip()]


def test_a_question_comes_with_the_command_that_answers_it(control: MemoryControl) -> None:
    prompt = PromptNote(id="prompt-1", text="Filament\x1b[31m?", choices=["Continue"])
    control.add_printer("prn-1", "one", state=PrinterState.ATTENTION, prompt=prompt, ready=False)
    (line,) = hands(control.snapshot())
    assert line == "one asks: Filament\ufffd[31m? Answer it: farm answer prn-1"


def test_a_question_in_our_own_words_is_in_the_person_s_language(control: MemoryControl, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = PromptNote(id="prompt-1", text="Out of filament T0", text_fr="Plus de filament T0")
    control.add_printer("prn-1", "one", state=PrinterState.ATTENTION, prompt=prompt, ready=False)
    assert hands(control.snapshot()) == ["one asks: Out of filament T0 Answer it: farm answer prn-1"]
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert hands(control.snapshot()) == ["one demande : Plus de filament T0 Répondez-lui : farm answer prn-1"]


def on_bed(outcome: JobOutcome = JobOutcome.PRINTED, parts: int = 1) -> OccupationView:
    return OccupationView(id="occ-1", kind=OccupationKind.JOB, job="job-1", outcome=outcome, good_at_most=parts)


def farm_with(control: MemoryControl, bed: OccupationView, *, noted: bool) -> FarmView:
    """A printer with an ended job on its bed, whose parts a hand has counted already or not."""
    control.add_printer("prn-1", "one", bed=BedState.OCCUPIED, occupation=bed, ready=False)
    view = control.snapshot()
    waiting = [] if noted else [WAITING.model_copy(update={"outcome": bed.outcome})]
    return view.model_copy(update={"waiting": waiting})


def test_what_is_to_be_done_names_the_command_of_this_person(control: MemoryControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_COMMAND", "./farm.sh")
    assert hands(farm_with(control, on_bed(), noted=False)) == ["one: 1 part to collect: ./farm.sh collect prn-1"]


def test_a_print_that_failed_is_to_be_counted(control: MemoryControl) -> None:
    (line,) = hands(farm_with(control, on_bed(JobOutcome.FAILED, 2), noted=False))
    assert line == "one: the print was not finished (failed), count what can be used of 2 parts: farm collect prn-1 --good 0"


def test_what_was_collected_is_not_asked_for_again(control: MemoryControl) -> None:
    farm = farm_with(control, on_bed(), noted=True)
    assert hands(farm) == []
    assert "collect noted" in "\n".join(shown(farm))


def test_a_job_whose_end_the_farm_is_still_to_hear_of_is_asked_for(control: MemoryControl) -> None:
    farm = farm_with(control, on_bed(), noted=True)
    behind = farm.nodes[0].model_copy(update={"journal_behind": 1})
    assert len(hands(farm.model_copy(update={"nodes": [behind]}))) == 1


def test_what_was_measured_before_a_printer_went_away_is_not_shown(control: MemoryControl) -> None:
    running = OccupationView(id="occ-1", kind=OccupationKind.JOB, job="job-1", running=True)
    why = [ReasonNote(code="printing", en="It is printing.", fr="Elle imprime.")]
    control.add_printer("prn-1", "one", online=False, progress=0.5, nozzle_c=210.0, occupation=running, why_not=why)
    text = "\n".join(shown(control.snapshot()))
    assert "It was printing when it was last heard." in text
    assert "It is printing." not in text
    assert "50%" not in text
    assert "210" not in text


def test_a_printer_that_its_node_does_not_reach_is_not_counted_as_online(control: MemoryControl) -> None:
    control.add_printer("prn-1", "one")
    control.add_printer("prn-2", "two", state=PrinterState.OFFLINE)
    control.add_printer("prn-3", "three", online=False)
    assert "1 of 3 printers online" in shown(control.snapshot())[0]


def test_numbers_and_times() -> None:
    assert [number_of(count, "part") for count in (0, 1, 2)] == ["0 parts", "1 part", "2 parts"]
    assert [duration(seconds) for seconds in (40, 125, 7_500, 200_000)] == ["40 s", "2 min", "2 h 5 min", "2 d 7 h"]


def test_a_recalled_revision_is_to_be_cancelled_or_set_aside(control: MemoryControl) -> None:
    running = OccupationView(id="job-1", kind=OccupationKind.JOB, job="job-1", running=True, recalled=True)
    done = running.model_copy(update={"running": False, "outcome": JobOutcome.PRINTED, "good_at_most": 2})
    control.add_printer("prn-1", "Ender", occupation=running)
    control.add_printer("prn-2", "Prusa", occupation=done)
    waiting = [WAITING.model_copy(update={"printer": "prn-2"})]
    assert hands(control.snapshot().model_copy(update={"waiting": waiting})) == [
        "Ender: it prints a revision that was recalled: cancel the job, or set its parts aside.",
        "Prusa: 2 parts of a recalled revision, set them aside: farm collect prn-2 --good 0",
    ]


def test_a_daemon_that_only_watches_asks_for_no_hand_and_calls_nobody_lost(control: MemoryControl) -> None:
    done = OccupationView(id="job-1", kind=OccupationKind.JOB, job="job-1", outcome=JobOutcome.PRINTED, good_at_most=2)
    control.add_printer("prn-1", "Ender", occupation=done)
    note = ReasonNote(code="only-watches", en="Not known: this daemon only watches.", fr="Inconnu.")
    control.add_node("nod-9", name="garage")
    unknown = {"online": False, "suspect": True, "silent_s": None, "not_known": note}
    control.node_rows["nod-9"] = control.node("nod-9").model_copy(update=unknown)
    seen = control.snapshot().model_copy(update={"waiting": [WAITING.model_copy(update={"printer": "prn-1"})]})
    assert any("collect prn-1" in line for line in hands(seen))
    fenced = seen.model_copy(update={"fence": FenceView(why="put-back", node="garage", heard=6, known=1, counted="plan")})
    assert hands(fenced) == []
    assert "Node garage: not known: this daemon only watches." in silences(seen.nodes)
    assert not any("connected for" in line or "not heard" in line for line in silences(seen.nodes) if "garage" in line)


def test_a_farm_that_heals_is_no_disaster(control: MemoryControl) -> None:
    control.alarm_rows = [
        AlarmView(code="restoring", text="1 of 2 nodes have told again.", next_step="It heals by itself.", since=1.0),
        AlarmView(code="fenced", text="Another daemon took over.", next_step="Stop this one.", since=1.0),
    ]
    styles = dict(overview(control.snapshot(), 120))
    assert styles["! 1 of 2 nodes have told again. It heals by itself."] == "yellow"
    assert styles["! Another daemon took over. Stop this one."] == "bold red"


def test_stock_is_shown_by_revision_and_what_was_recalled_of_it(control: MemoryControl) -> None:
    assert not any("Stock" in line for line in shown(control.snapshot()))
    control.stock_rows = {
        "r1": StockView(revision="r1", parts=4, recalled=True),
        "r2": StockView(revision="r2", parts=1),
    }
    assert "Stock: 4 x r1 (recalled: set aside), 1 x r2" in shown(control.snapshot())


# --- in French


@pytest.fixture
def french(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")


@pytest.mark.usefixtures("french")
def test_a_french_terminal_sees_the_whole_status_in_french(control: MemoryControl) -> None:
    control.add_printer("prn-1", "Ender", state=PrinterState.PRINTING, progress=0.5, why_not=WHY)
    control.order_rows["ord-1"] = order(why_waiting=WHY, recalled=True)
    control.stock_rows = {"r1": StockView(revision="r1", parts=4, recalled=True)}
    alarm = AlarmView(
        code="disk-low", text="Little.", next_step="Make room.", since=1.0, text_fr="Peu.", next_step_fr="Tapez : farm backup"
    )
    control.alarm_rows = [alarm, AlarmView(code="odd", text="Only English.", next_step="Look.", since=1.0)]
    row = control.add_node("nod-9", name="garage")
    control.node_rows["nod-9"] = row.model_copy(
        update={"rejected": {"late": 2, "unreadable-report": 1}, "online": False, "silent_s": 200_000.0}
    )
    assert shown(control.snapshot(), 120) == [
        "Essaim : 1 imprimante sur 1 en ligne, 380 pièces à faire",
        "! Peu. Tapez : farm backup",
        "! Only English. Look.",
        "- Nœud garage : non connecté depuis 2 j 7 h.",
        "- Nœud garage : 3 messages rejetés (late 2, rapport illisible 1). Le journal du démon en dit plus.",
        "",
        "Commandes                  bonnes  voulues  à faire  fait  état",
        "visor-frame-r3 (rappelée)     120      500      380  24 %  ouverte",
        "    Pour CHU de Nantes. x y",
        "",
        "En stock : 4 x r1 (rappelée : à mettre de côté)",
        "",
        "Imprimantes  état     fait  buse   plateau  occupation",
        "Ender        imprime  50 %  21/0°  21/0°    libre",
        "    x y",
    ]


@pytest.mark.usefixtures("french")
def test_what_is_to_be_done_is_told_in_french(control: MemoryControl) -> None:
    fault = FaultNote(code="x", text="Error:x", meaning_en="Hot.", meaning_fr="Chaud.", action_fr="Attendez.", recovery="by-hand")
    prompt = PromptNote(id="prompt-1", text="Filament?", choices=["Continue"])
    control.add_printer("prn-1", "one", state=PrinterState.FAULT, fault=fault, prompt=prompt, ready=False)
    foreign = OccupationView(id="occ-1", kind=OccupationKind.FOREIGN)
    control.add_printer("prn-2", "two", bed=BedState.OCCUPIED, occupation=foreign, ready=False)
    running = OccupationView(id="occ-1", kind=OccupationKind.JOB, job="job-7", running=True, recalled=True)
    control.add_printer("prn-3", "three", bed=BedState.OCCUPIED, occupation=running, ready=False)
    assert hands(control.snapshot()) == [
        "one : Chaud. Attendez. Elle a besoin d'une main.",
        "one demande : Filament? Répondez-lui : farm answer prn-1",
        "three : elle imprime une révision rappelée : annulez l'impression, ou mettez ses pièces de côté.",
        "two : le plateau n'est pas libre : farm clear-bed prn-2",
    ]


@pytest.mark.usefixtures("french")
@pytest.mark.parametrize(
    ("bed", "said"),
    [
        (on_bed(), "1 pièce à collecter : farm collect prn-1"),
        (
            on_bed(JobOutcome.FAILED, 2),
            "l'impression a échoué, comptez ce qui est utilisable sur 2 pièces : farm collect prn-1 --good 0",
        ),
        (
            on_bed(parts=2).model_copy(update={"recalled": True}),
            "2 pièces d'une révision rappelée, à mettre de côté : farm collect prn-1 --good 0",
        ),
    ],
)
def test_what_is_to_be_collected_is_told_in_french(control: MemoryControl, bed: OccupationView, said: str) -> None:
    assert hands(farm_with(control, bed, noted=False)) == [f"one : {said}"]
