"""Makers without an always-on computer: accept a batch, download its file, print by hand, report from a phone."""

from fastapi import APIRouter, Request, Response

from api.deps import PeopleDep, PrincipalDep
from api.problems import documented
from api.programs import program_file
from farm.errors import ConflictError, NotFoundError
from farm.request_bodies import MakerRequest, ManualReport
from farm.views import MakerView, ManualJobView
from gcode.texts import Bilingual

router = APIRouter(tags=["people"])


@router.post("/makers", status_code=201, responses=documented(404, 409, 422, 507))
async def add_maker(request: MakerRequest, people: PeopleDep) -> MakerView:
    """Add a maker. The token in the answer is told once: it is the maker's credential for /api/v1/me."""
    return await people.add_maker(request)


@router.get("/makers", responses=documented(404))
async def list_makers(people: PeopleDep) -> list[MakerView]:
    """All makers, by name, without their tokens."""
    return people.makers()


@router.delete("/makers/{printer}", status_code=204, responses=documented(404, 507))
async def remove_maker(printer: str, people: PeopleDep) -> None:
    """A maker leaves; the token is void at once."""
    await people.remove_maker(printer)


@router.get("/me/jobs", responses=documented(404))
async def my_jobs(people: PeopleDep, who: PrincipalDep) -> list[ManualJobView]:
    """What the maker may print, is printing, or has reported."""
    return people.jobs(who.id)


@router.post("/me/jobs/{job}/accept", responses=documented(404, 409, 507))
async def accept(job: str, people: PeopleDep, who: PrincipalDep) -> ManualJobView:
    """The maker will print it."""
    return await people.accept(who.id, job)


@router.get("/me/jobs/{job}/file", responses={200: {"content": {"text/x-gcode": {}}}, **documented(404, 409, 416)})
async def download(job: str, people: PeopleDep, who: PrincipalDep, request: Request) -> Response:
    """The G-code of an accepted job."""
    mine = next((row for row in people.jobs(who.id) if row.job == job), None)
    if mine is None:
        raise NotFoundError(
            Bilingual("You have no such job.", "Vous n'avez pas cette impression."),
            next_step=Bilingual("GET /api/v1/me/jobs lists yours.", "GET /api/v1/me/jobs donne les vôtres."),
        )
    if mine.state != "accepted":
        raise ConflictError(
            Bilingual("This job is not accepted.", "Cette impression n'est pas acceptée."),
            next_step=Bilingual(
                "Accept it first; then its file is there for you.", "Acceptez-la d'abord ; son fichier est alors là pour vous."
            ),
            code="not-accepted",
        )
    return await program_file(people.program_file(who.id, job), mine.program, request)


@router.post("/me/jobs/{job}/report", responses=documented(404, 409, 422, 507))
async def report(job: str, request: ManualReport, people: PeopleDep, who: PrincipalDep) -> ManualJobView:
    """What came of it: these parts count."""
    return await people.report(who.id, job, request)
