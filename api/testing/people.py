"""A people's node in memory."""

from collections.abc import Callable
from pathlib import Path

from api.testing.library import found
from farm.control_errors import COUNT_AGAIN
from farm.errors import ConflictError, InvalidError, NotFoundError
from farm.ids import new_id
from farm.request_bodies import MakerRequest, ManualReport
from farm.views import MakerView, ManualJobView
from gcode.texts import Bilingual

_LIST_AGAIN = Bilingual("Look at your list again.", "Regardez de nouveau votre liste.")


class MemoryPeople:
    """A people's node in memory: `offer` gives a maker something to print."""

    def __init__(self, files: Callable[[str], Path] = Path) -> None:
        self._files = files
        self.names: dict[str, MakerView] = {}
        self.tokens: dict[str, str] = {}  # token -> printer
        self.offers: dict[str, ManualJobView] = {}
        self.reports: dict[str, ManualReport] = {}

    async def add_maker(self, request: MakerRequest) -> MakerView:
        """Add a maker."""
        printer, token = new_id("prn"), new_id("tok")
        self.tokens[token] = printer
        self.names[printer] = MakerView(printer=printer, name=request.name, profile=request.profile)
        return self.names[printer].model_copy(update={"token": token})

    async def remove_maker(self, printer: str) -> None:
        """A maker leaves."""
        found(self.names, printer, "maker")
        del self.names[printer]
        self.tokens = {token: key for token, key in self.tokens.items() if key != printer}

    def makers(self) -> list[MakerView]:
        """All makers, by name."""
        return sorted(self.names.values(), key=lambda maker: maker.name)

    def authenticate(self, token: str) -> str | None:
        """Whose token this is."""
        return self.tokens.get(token)

    def offer(self, printer: str, program: str, parts: int = 2) -> ManualJobView:
        """Something to print."""
        job = ManualJobView(
            printer=printer, job=new_id("job"), design="visor", revision="visor-r1", program=program, parts=parts, state="offered"
        )
        self.offers[job.job] = job
        return job

    def jobs(self, printer: str) -> list[ManualJobView]:
        """What this maker has."""
        return [job for job in self.offers.values() if job.printer == printer]

    def program_file(self, printer: str, job: str) -> Path:
        """The file of a job, where `files` says it is."""
        return self._files(self._mine(printer, job).program)

    async def accept(self, printer: str, job: str) -> ManualJobView:
        """The maker will print it; accepting twice is no error."""
        row = self._mine(printer, job)
        if row.state == "reported":
            raise ConflictError(
                Bilingual("That batch was taken back.", "Ce lot a été repris."), next_step=_LIST_AGAIN, code="taken-back"
            )
        self.offers[job] = row.model_copy(update={"state": "accepted"})
        return self.offers[job]

    async def report(self, printer: str, job: str, report: ManualReport) -> ManualJobView:
        """What came of it."""
        row = self._mine(printer, job)
        if row.state != "accepted":
            raise ConflictError(
                Bilingual("That batch was not accepted.", "Ce lot n'a pas été accepté."),
                next_step=Bilingual("Accept it first.", "Acceptez-le d'abord."),
                code="not-accepted",
            )
        if report.good + report.scrap > row.parts:
            raise InvalidError(
                Bilingual(
                    f"The batch has {row.parts} parts; {report.good} good and {report.scrap} scrap are more.",
                    f"Le lot a {row.parts} pièces ; {report.good} bonnes et {report.scrap} au rebut, c'est plus.",
                ),
                next_step=COUNT_AGAIN,
            )
        self.reports[job] = report
        self.offers[job] = row.model_copy(update={"state": "reported"})
        return self.offers[job]

    def _mine(self, printer: str, job: str) -> ManualJobView:
        row = self.offers.get(job)
        if row is None or row.printer != printer:
            raise NotFoundError(Bilingual("You have no such batch.", "Vous n'avez pas ce lot."), next_step=_LIST_AGAIN)
        return row
