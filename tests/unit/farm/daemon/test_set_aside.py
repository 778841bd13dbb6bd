"""Facts that were set aside are shown until somebody has looked, also over a restart."""

from pathlib import Path

import pytest

from farm.daemon import set_aside
from farm.daemon.alarms import Alarms
from farm.errors import NotFoundError
from scheduler.draft import Draft
from scheduler.model import Farm as Known
from scheduler.model import NodeRecord, SetAside
from tests.unit.farm.daemon.harness import Farm, ended, open_farm, started

POISON = {"seq": 2, "kind": "job-teleported", "where": "<script>alert(1)</script>"}


def fact(key: str, created_at_s: float, node: str = "n1") -> SetAside:
    return SetAside(key, node, "e1", 7, "{}", f"reason of {key}", created_at_s)


def known(*facts: SetAside) -> Known:
    return Known(1, 0.0, node_records={"n1": NodeRecord("n1", "left bench", 0.0, "")}, set_aside={row.id: row for row in facts})


def test_the_newest_comes_first_with_the_name_of_its_node() -> None:
    farm = known(fact("a", 1.0), fact("b", 3.0), fact("c", 2.0, "gone"))
    assert [(view.id, view.node_name) for view in set_aside.listed(farm, 10, 0)] == [
        ("b", "left bench"),
        ("c", "gone"),
        ("a", "left bench"),
    ]
    assert [view.id for view in set_aside.listed(farm, 1, 1)] == ["c"]
    assert set_aside.listed(farm, 10, 3) == []


def test_an_answer_is_bounded() -> None:
    farm = known(*(fact(f"f{number}", float(number)) for number in range(1_500)))
    assert len(set_aside.listed(farm, 10**6, 0)) == 1_000


def test_one_alarm_stands_for_all_and_follows_their_number() -> None:
    alarms = Alarms()
    set_aside.show(alarms, known(fact("a", 5.0)))
    ((code, text, since),) = [(alarm.code, alarm.text, alarm.since) for alarm in alarms.all()]
    assert (code, since) == ("fact.set-aside", 5.0)
    assert text == "1 fact of node left bench could not be understood; nothing else waits for it."
    set_aside.show(alarms, known(fact("a", 5.0), fact("b", 6.0)))
    (alarm,) = alarms.all()
    assert alarm.text.startswith("2 facts of node left bench could")
    assert alarm.text_fr.startswith("2 faits du nœud left bench n'ont pas pu")
    assert alarm.since == 5.0
    assert "farm set-aside" in alarm.next_step
    several = [fact(f"f{number}", float(number), f"n{number}") for number in range(1, 6)]
    set_aside.show(alarms, known(*several))
    assert "5 facts of nodes n5, n4, n3, ... could not" in alarms.all()[0].text
    set_aside.show(alarms, known())
    assert alarms.all() == []


def test_what_is_not_there_cannot_be_looked_at() -> None:
    with pytest.raises(NotFoundError):
        set_aside.looked_at(Draft(known()), "x")


async def test_a_poisoned_fact_is_shown_until_somebody_has_looked(tmp_path: Path) -> None:
    async with open_farm(tmp_path) as farm:
        assert farm.alarms == []
        await farm.hear(farm.journal(started(), POISON, ended(3)))
        assert farm.world.durable.node_records["n1"].seq == 3
        assert farm.alarms == ["fact.set-aside"]
    async with open_farm(tmp_path) as farm:
        assert farm.alarms == ["fact.set-aside"]
        (view,) = set_aside.listed(farm.world.durable, 10, 0)
        assert (view.node, view.node_name, view.epoch, view.number) == ("n1", "left bench", "e1", 2)
        assert "<script>alert(1)</script>" in view.content
        assert "job-teleported" in view.reason or "kind" in view.reason
        assert view.reason_fr.startswith("« job-teleported » n'est pas connu pour 'kind' : il faut ")
        await look(farm, view.id)
        assert farm.alarms == []
        assert (await farm.stored()).set_aside == {}


async def look(farm: Farm, key: str) -> None:
    await farm.ask(lambda draft: set_aside.looked_at(draft, key))
