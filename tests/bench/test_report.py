"""How benches answer: a table for people, JSON lines for programs."""

import json
from collections.abc import Iterator

import pytest

from tests.bench import __main__ as command
from tests.bench.report import FORM, report


@pytest.fixture(autouse=True)
def form_as_before() -> Iterator[None]:
    before = FORM.as_json
    yield
    FORM.as_json = before


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bench that measures nothing."""

    def main() -> None:
        report("boot", "start", "s", [1.5, 9.0, 2.25])
        report("boot", "facts", "facts/s", [8_000.4], peer="bare paho", theirs=[16_000.0])

    monkeypatch.setattr("tests.bench.boot.main", main)


def test_for_people_it_is_a_table(boot: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["boot"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "boot",
        "        ours unit               peer   ratio  case",
        "        2.25 s                     -       -  start",
        "       8,000 facts/s          16,000     0.5  facts (peer: bare paho)",
    ]


def test_for_programs_it_is_json(boot: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--json", "boot"]) == 0
    start, facts = map(json.loads, capsys.readouterr().out.splitlines())
    assert (start["ours"], start["peer"], start["ratio"]) == (2.25, None, None)
    assert (facts["ours"], facts["theirs"], facts["ratio"]) == (8000.4, 16000.0, 0.5)


def test_of_seconds_and_bytes_less_is_better(capsys: pytest.CaptureFixture[str]) -> None:
    FORM.as_json = True
    for unit in ("s", "B/s"):
        report("boot", "x", unit, [2.0], peer="p", theirs=[4.0])
        assert json.loads(capsys.readouterr().out)["ratio"] == 2.0


def test_what_is_interrupted_says_so_without_a_trace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tests.bench.boot.main", interrupted)
    assert command.main(["boot"]) == 130
    assert capsys.readouterr().err.startswith("Interrupted")


def test_unknown_names_and_the_help_name_the_benches(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["bot"]) == 2
    assert "boot, gcode, ingest" in capsys.readouterr().err
    with pytest.raises(SystemExit) as helped:
        command.main(["--help"])
    assert helped.value.code == 0
    assert "ingest" in capsys.readouterr().out
