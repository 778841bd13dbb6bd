"""What the daemon tells people comes in both languages (docs/decisions/0009): a sentence, and an alarm made of sentences."""

from dataclasses import dataclass

from farm.views import AlarmView


@dataclass(frozen=True, slots=True)
class Saying:
    """One text in English and in French. What a machine or a driver said is in it as it came."""

    en: str
    fr: str


def alarm_view(code: str, text: Saying, next_step: Saying, since: float) -> AlarmView:
    """An alarm as people and programs see it."""
    return AlarmView(code=code, text=text.en, next_step=next_step.en, since=since, text_fr=text.fr, next_step_fr=next_step.fr)
