from collections.abc import Iterable

from farm.bus.many import BrokerState
from farm.daemon import brokers
from farm.daemon.alarms import Alarms
from gcode.texts import Told, both

A, B, C = (BrokerState(f"{name}:1883", connected=True) for name in "abc")


def gone(state: BrokerState, why: str = "No broker answers.") -> BrokerState:
    return BrokerState(state.broker, connected=False, problem=why)


def shown(alarms: Alarms, states: Iterable[BrokerState]) -> list[tuple[str, str]]:
    brokers.show(alarms, list(states), 5.0)
    return [(alarm.code, alarm.text) for alarm in alarms.all()]


def test_all_connected_is_no_alarm() -> None:
    alarms = Alarms()
    assert shown(alarms, [A, B]) == []
    assert brokers.check([A, B]) == "ok"


def test_a_broker_that_was_not_tried_yet_is_no_alarm() -> None:
    new = BrokerState("b:1883", connected=False)
    assert shown(Alarms(), [A, new]) == []
    assert shown(Alarms(), [new]) == []
    assert both(brokers.check([new])) == ("not connected", "non connecté")


def test_one_of_several_is_named_and_the_farm_is_ready() -> None:
    alarms = Alarms()
    assert shown(alarms, [A, gone(B)]) == [("broker-partly-lost", "1 of 2 brokers is connected; not b:1883 (No broker answers).")]
    assert both(brokers.check([A, gone(B)])) == ("ok, 1 of 2 connected", "ok, 1 sur 2 connecté")
    assert both(brokers.check([A, A, gone(B)])) == ("ok, 2 of 3 connected", "ok, 2 sur 3 connectés")
    assert shown(alarms, [A, gone(B), C])[0][1].startswith("2 of 3 brokers are connected")
    assert shown(alarms, [A, B]) == []


def test_the_alarm_follows_which_one_is_away() -> None:
    alarms = Alarms()
    shown(alarms, [A, gone(B)])
    ((_, text),) = shown(alarms, [gone(A, "cut"), B])
    assert "not a:1883 (cut)" in text


def test_none_of_several_is_another_alarm() -> None:
    alarms = Alarms()
    shown(alarms, [A, gone(B)])
    ((code, text),) = shown(alarms, [gone(A, "cut"), gone(B)])
    assert code == "broker-lost"
    assert text == "None of 2 brokers is connected: a:1883 (cut); b:1883 (No broker answers)."
    assert brokers.check([gone(A), gone(B)]) == "not connected"
    assert [code for code, _ in shown(alarms, [gone(A), B])] == ["broker-partly-lost"]


def test_the_only_broker_is_not_counted() -> None:
    alarms = Alarms()
    ((code, text),) = shown(alarms, [gone(A, "closed")])
    assert (code, text) == ("broker-lost", "The connection to the broker was lost: closed.")
    assert shown(alarms, [A]) == []


def test_why_one_is_away_is_told_in_french_where_that_is_known() -> None:
    why = Told("broker-unreachable", "No broker answers.", "Aucun courtier ne répond.")
    alarms = Alarms()
    shown(alarms, [A, gone(B, why)])
    assert alarms.all()[0].text_fr == "1 courtier sur 2 est connecté ; il manque b:1883 (Aucun courtier ne répond)."
    shown(alarms, [gone(A, "errno 9"), gone(B, why)])
    assert alarms.all()[0].text_fr == "Aucun des 2 courtiers n'est connecté : a:1883 (errno 9) ; b:1883 (Aucun courtier ne répond)."
    alone = Alarms()
    shown(alone, [gone(B, why)])
    assert alone.all()[0].text_fr == "La connexion au courtier est perdue : Aucun courtier ne répond."
