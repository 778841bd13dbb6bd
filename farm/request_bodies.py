"""What people and programs may ask of a farm: the request bodies of the HTTP API (docs/api.md); the answers are in `farm.views`.

One definition for the routes, the command line and the tests. A text that would hide something is refused before anybody sees it.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from farm.bus.messages import MAX_CHOICES, Id, Sha256, is_harmful
from farm.wrong_values import HARMFUL
from gcode.texts import BilingualError


def _visible(text: str) -> str:
    """Refuse what a terminal obeys (ESC and the other controls) and what makes a text look like another one (Unicode TR 36)."""
    if any(is_harmful(character) for character in text):
        raise BilingualError(HARMFUL)
    return text


Plain = Annotated[str, AfterValidator(_visible)]
Name = Annotated[Plain, Field(min_length=1, max_length=80)]
Whole = Annotated[int, Field(strict=True)]  # a number in JSON, neither "1" nor true


class RequestBody(BaseModel):
    """What all request bodies share: an unknown field is an error, because it is a typing mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OrderRequest(RequestBody):
    """Ask for `quantity` parts of a design: of its newest released revision, unless `revision` is named.

    `requester` (id or name) is who gets them; one that keeps approvals gets the newest revision that it has approved.
    """

    design: Name | None = None
    revision: Id | None = None
    quantity: Whole = Field(ge=1, le=1_000_000)
    priority: Whole = Field(default=0, ge=-100, le=100)
    destination: Plain = Field(default="", max_length=200)
    requester: Name | None = None


class OrderChange(RequestBody):
    """Change an open order. Reducing never takes away good parts."""

    quantity: Whole | None = Field(default=None, ge=1, le=1_000_000)
    priority: Whole | None = Field(default=None, ge=-100, le=100)


class CollectRequest(RequestBody):
    """A hand took the parts of `job` off the bed: `good` may be used, `scrap` not. It names the job: a stale click is refused."""

    job: Id
    good: Whole = Field(ge=0, le=10_000)
    scrap: Whole = Field(default=0, ge=0, le=10_000)
    by: Name = "operator"


class ClearBedRequest(RequestBody):
    """Whatever `occupation` was, the bed is clear now."""

    occupation: Id
    by: Name = "operator"


class AnswerRequest(RequestBody):
    """Answer the question `prompt` (its id) by the choice with this index. It names the question: a stale click is refused."""

    prompt: Name
    choice: Whole = Field(default=0, ge=0, lt=MAX_CHOICES)


class JobCommandRequest(RequestBody):
    """Pause, resume or cancel a running job."""

    action: Literal["pause", "resume", "cancel"]


class ProgramRequest(RequestBody):
    """What is said about an uploaded G-code file. `by` uploads it, and so releases a new revision, unless `draft` is said.

    `profile` may be the end of a bundled one's id: `ender3` is `creality-ender3`.
    """

    design: Name
    revision: Id
    profile: Id
    parts: int = Field(default=1, ge=1, le=1_000)
    material: Plain = Field(default="PLA", max_length=40)
    name: Plain = Field(default="", max_length=200)
    sha256: Sha256 | None = None  # when given, the upload must have this hash
    draft: bool = False
    by: Name = "operator"


class InviteRequest(RequestBody):
    """Ask for an invitation."""

    name: Plain = Field(default="", max_length=80)


class EnrolmentClaim(RequestBody):
    """A node shows its code."""

    code: str = Field(min_length=4, max_length=80)
    name: Name


class ManualReport(RequestBody):
    """What came of a batch printed by hand."""

    good: Whole = Field(ge=0, le=10_000)
    scrap: Whole = Field(default=0, ge=0, le=10_000)


class MakerRequest(RequestBody):
    """A maker without an always-on computer: becomes a printer of the people's node. `profile` as in `ProgramRequest`."""

    name: Name
    profile: Id
    material: Plain = Field(default="PLA", max_length=40)
