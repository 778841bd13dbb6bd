"""An alarm is told in both languages."""

from farm.daemon.sayings import alarm_view
from gcode.texts import Bilingual


def test_an_alarm_has_every_text_twice() -> None:
    view = alarm_view("hot", Bilingual("Too hot.", "Trop chaud."), Bilingual("Cool it.", "Refroidissez."), 3.0)
    assert (view.code, view.since) == ("hot", 3.0)
    assert (view.text, view.next_step) == ("Too hot.", "Cool it.")
    assert (view.text_fr, view.next_step_fr) == ("Trop chaud.", "Refroidissez.")
