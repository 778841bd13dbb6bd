"""`farm answer`: what a machine asks, and a person's answer to it."""

from typing import Annotated, Any

import typer

from farm.bus.messages import PromptNote
from farm.commands.client import AsJson, FarmClient, on_daemon
from farm.commands.orders import find_printer
from farm.commands.overview import plain, say, say_json
from farm.commands.questions import choice_of, choices_of, words_of
from farm.commands.vocabulary import joined
from farm.errors import ConflictError, InvalidError
from farm.language import spoken
from farm.views import FarmView
from gcode.texts import Bilingual

Choice = Annotated[str, typer.Argument(help="The number or the words of a choice; what is asked is shown if left out.")]


def question(name: str, prompt: PromptNote) -> list[str]:
    """A question with its choices, one a line, numbered from 1."""
    asked_words = words_of(prompt)
    asks = spoken(Bilingual(f"{name} asks: {asked_words.en}", f"{name} demande : {asked_words.fr}"))
    return [asks, *(f"  {number}. {spoken(words)}" for number, words in enumerate(choices_of(prompt), 1))]


def chosen(prompt: PromptNote, wanted: str) -> int:
    """The index of the choice with these words, or this number.

    Raises:
        InvalidError: there is none, or several have these words; the message names all choices.

    """
    found = choice_of(prompt, wanted)
    if found is None:
        numbered = enumerate(choices_of(prompt), 1)
        named = joined((Bilingual(f"{number} ({words.en})", f"{number} ({words.fr})") for number, words in numbered), ", ")
        raise InvalidError(
            Bilingual(
                f"{plain(wanted)!r} is no choice of this question.", f"{plain(wanted)!r} n'est pas un choix de cette question."
            ),
            next_step=Bilingual(plain(f"Choose one of: {named.en}."), plain(f"Choisissez parmi : {named.fr}.")),
        )
    return found


def asked(name: str, prompt: PromptNote | None) -> PromptNote:
    """What a printer asks. ConflictError: nothing."""
    if prompt is None:
        raise ConflictError(
            Bilingual(f"{plain(name)} asks nothing.", f"{plain(name)} ne demande rien."),
            next_step=Bilingual("There is nothing to answer.", "Il n'y a rien à répondre."),
            code="nothing-asked",
        )
    return prompt


def show(name: str, prompt: PromptNote, *, as_json: bool) -> None:
    """Print a question."""
    if as_json:
        say_json(prompt.model_dump())
        return
    for line in question(name, prompt):
        say(line)


@on_daemon
def answer(
    client: FarmClient,
    printer: Annotated[str, typer.Argument(help="Id or name of the printer.")],
    choice: Choice = "",
    as_json: AsJson = False,
) -> None:
    """Show what a printer asks; with CHOICE, answer it."""
    view = find_printer(FarmView.model_validate(client.get("/farm")), printer)
    prompt = asked(view.name, view.prompt)
    if not choice:
        show(view.name, prompt, as_json=as_json)
        return
    body: dict[str, Any] = {"prompt": prompt.id, "choice": chosen(prompt, choice)}
    sent = client.post(f"/printers/{view.id}/answer", body)
    if as_json:
        say_json({**sent, **body})
    else:
        words = spoken(choices_of(prompt)[body["choice"]])
        say(
            Bilingual(
                f"{view.name}: answered {words!r}. It goes on as soon as its node has heard it.",
                f"{view.name} : répondu {words!r}. Elle continue dès que son nœud l'a entendu.",
            )
        )


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(answer)
