"""What the daemon tells people comes in both languages (docs/decisions/0009): an alarm made of such sentences."""

from farm.views import AlarmView
from gcode.texts import Bilingual


def alarm_view(code: str, text: Bilingual, next_step: Bilingual, since: float) -> AlarmView:
    """An alarm as people and programs see it. What a machine or a driver said is in its texts as it came."""
    return AlarmView(code=code, text=text.en, next_step=next_step.en, since=since, text_fr=text.fr, next_step_fr=next_step.fr)
