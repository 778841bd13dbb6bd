"""What the machine asks of a person: host prompts (`//action:prompt_*`), and waits of a firmware that has no prompts. Pure.

Verified with real Marlin (bugfix-2.1.x, filament runout from beginning to end): a prompt is begun, gets its buttons and is shown;
`M876 S<button>` answers it, `M108` answers where nothing but `busy: paused for user` is said.
"""

from dataclasses import dataclass, field
from typing import Final

from drivers.base import Prompt
from drivers.errors import Bilingual, note_of

MAX_NOTE: Final = 120
NOTE_S: Final = 60.0
MAX_CHOICES: Final = 8
MAX_CHOICE: Final = 60
MAX_TOOL: Final = 100
_DISMISS: Final = "Dismiss"  # a button that only closes what is said: nothing waits for it
_WAITS: Final = Bilingual(
    "The printer waits for a person: look at its display.", "L'imprimante attend une personne : regardez son écran."
)


@dataclass(slots=True)
class Dialogue:
    """`user_wait`: the machine stands still for a person. `prompt`: what it asks, if it can be answered from afar."""

    user_wait: bool = False
    note: str | Bilingual | None = None
    prompt: Prompt | None = None
    _text: str = ""
    _notified_s: float | None = field(default=None, compare=False)
    _choices: list[str] = field(default_factory=list)

    def act(self, text: str, now_s: float) -> None:
        """Take a host action, without its `//action:`."""
        name, _, rest = text.partition(" ")
        self._notified_s = now_s if name == "notification" else None
        rest = rest.strip()
        if name == "prompt_begin":
            self._text, self._choices = rest[:MAX_NOTE], []
            self.note = self._text
        elif name in {"prompt_choice", "prompt_button"}:
            if len(self._choices) < MAX_CHOICES:
                self._choices.append(rest[:MAX_CHOICE])
        elif name == "prompt_show":
            if self._choices and self._choices != [_DISMISS]:
                self.prompt = self._asked(now_s)
        elif name == "prompt_end":
            self._end()
        else:
            self._tell(name, rest)

    def _tell(self, name: str, rest: str) -> None:
        if name == "resumed":
            self._end()
            self.user_wait = False
        elif name == "paused":
            self.user_wait = True
            self.note = rest[:MAX_NOTE] or self.note
        elif name == "out_of_filament":
            self.note = _out_of_filament(rest)
        elif name == "notification":
            self.note = rest[:MAX_NOTE] or None

    def _asked(self, now_s: float) -> Prompt:
        # Time makes the id new: also for another process, as long as the computer was not restarted.
        return Prompt(f"{now_s:.3f}", self._text, tuple(self._choices))

    def _end(self) -> None:
        self.prompt = self.note = None
        self._text, self._choices = "", []

    def waits(self, now_s: float) -> None:
        """It says that it waits for a person."""
        self.user_wait = True
        if self.prompt is None:
            text, text_fr = note_of(self.note or _WAITS)
            self.prompt = Prompt(f"{now_s:.3f}", text or "", text_fr=text_fr)

    def fade(self, now_s: float) -> None:
        """A notification is news for NOTE_S only."""
        if self._notified_s is not None and now_s >= self._notified_s + NOTE_S and not self.user_wait:
            self.note = self._notified_s = None

    def works(self) -> None:
        """It goes on."""
        self.user_wait = False
        if self.prompt is not None and not self.prompt.choices:
            self.prompt = None

    @property
    def asks(self) -> Prompt | None:
        """A question with choices that nobody has answered."""
        return self.prompt if self.prompt is not None and self.prompt.choices else None

    def way_on(self, *, hears_at_once: bool) -> bytes | None:
        """What makes the machine go on now: the last choice, as the first may be to repeat (PurgeMore). None: nothing does.

        M876 exists only in builds with EMERGENCY_PARSER; without it M108 answers a question with one choice.
        """
        asked = self.asks
        if asked is not None and hears_at_once:
            return b"M876 S%d" % (len(asked.choices) - 1)
        return b"M108" if asked is None or len(asked.choices) == 1 else None

    def answer(self, prompt: str, choice: int) -> bytes | None:
        """The command that answers, None when this is not asked any more.

        Raises:
            IndexError: there is no such choice.

        """
        asked = self.prompt
        if asked is None or asked.id != prompt:
            return None
        if not 0 <= choice < max(1, len(asked.choices)):
            raise IndexError(choice)
        self.prompt = None
        return b"M876 S%d" % choice if asked.choices else b"M108"


def _out_of_filament(rest: str) -> Bilingual:
    """`rest` is what the machine says of it, mostly which tool."""
    what = f" {rest[:MAX_TOOL]}".rstrip()
    return Bilingual(f"Out of filament{what}", f"Plus de filament{what}")
