"""An alarm is told in both languages."""

from farm.daemon.sayings import Saying, alarm_view


def test_an_alarm_has_every_text_twice() -> None:
    view = alarm_view("hot", Saying("Too hot.", "Trop chaud."), Saying("Cool it.", "Refroidissez."), 3.0)
    assert (view.code, view.since) == ("hot", 3.0)
    assert (view.text, view.next_step) == ("Too hot.", "Cool it.")
    assert (view.text_fr, view.next_step_fr) == ("Trop chaud.", "Refroidissez.")
