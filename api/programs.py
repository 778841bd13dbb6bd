"""Programs: G-code files by their SHA-256. The operator adds and releases them; nodes fetch them, resumed by Range after a cut."""

import asyncio
import re
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import FileResponse

from api.deps import ControlDep
from api.packing import takes_zstd
from api.problems import RangeError, ThrottledError, documented
from api.uploads import FILE_FIELD, uploaded
from farm.library_views import ProfileView, ProgramDetail, Reason, ReleaseRequest, SignedRequest, UploadLimits
from farm.request_bodies import Name, ProgramRequest
from farm.views import ProgramView, UploadView
from gcode.texts import Bilingual

router = APIRouter(prefix="/programs", tags=["programs"])
uploads_router = APIRouter(prefix="/uploads", tags=["programs"])
profiles_router = APIRouter(prefix="/profiles", tags=["programs"])

MAX_UPLOADS: Final = 4  # at once
_Sha256Path = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the file, in lower-case hexadecimal")]
_Prefer = Annotated[str | None, Header(description="`respond-async` (RFC 7240): 202 at once, /uploads/{upload} tells more")]
_ASYNC: Final = re.compile(r"(?:^|[,\s])respond-async(?:$|[,;\s])", re.IGNORECASE)
_MAX_NAME: Final = 120
_NOT_IN_NAMES: Final = re.compile(r"[^\w .()+-]+")
_ONE_RANGE: Final = re.compile(r"bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))")


def _form_schema() -> dict[str, Any]:
    schema = ProgramRequest.model_json_schema()
    schema["properties"] = {**schema["properties"], FILE_FIELD: {"type": "string", "format": "binary", "title": "The G-code file"}}
    schema["required"] = [*schema["required"], FILE_FIELD]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@router.get("")
async def list_programs(control: ControlDep) -> list[ProgramView]:
    """All programs."""
    return control.programs()


@router.post(
    "",
    status_code=201,
    response_model=None,
    responses={
        200: {"model": ProgramView, "description": "The farm has this program already"},
        201: {"model": ProgramView, "description": "The farm has checked it, and has it now"},
        202: {"model": UploadView, "description": "Asked for by `Prefer: respond-async`: the file is here, and is being checked"},
        **documented(400, 404, 408, 409, 413, 422, 429, 507),
    },
    openapi_extra=_form_schema(),
)
async def add_program(
    request: Request, response: Response, control: ControlDep, prefer: _Prefer = None
) -> ProgramView | UploadView:
    """Add a G-code file: multipart/form-data, the fields in any order. The same file again changes nothing and answers 200.

    Whatever it is packed as (gzip, zstd, bgcode, ufp, 3mf) is unpacked; what is kept is plain G-code without secrets.
    """
    state = request.app.state
    if state.uploads.locked():
        raise ThrottledError(
            Bilingual(f"{MAX_UPLOADS} files are being uploaded already.", f"{MAX_UPLOADS} fichiers arrivent déjà."),
            next_step=Bilingual("Wait for one of them.", "Attendez que l'un d'eux soit là, puis envoyez le vôtre de nouveau."),
            headers={"Retry-After": "10"},
        )
    async with (
        state.uploads,
        uploaded(
            request,
            control.incoming_folder,
            max_file_bytes=state.settings.http.max_upload_bytes,
            reserve_bytes=state.settings.http.upload_reserve_bytes,
        ) as (path, fields),
    ):
        try:
            wanted = ProgramRequest.model_validate({name: value for name, value in fields.items() if value})
        except ValidationError as error:
            raise RequestValidationError([{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors()]) from error
        if prefer is not None and _ASYNC.search(prefer):
            begun = await control.begin_program(path, wanted)
            response.status_code = 202
            response.headers["Location"] = f"/api/v1/uploads/{begun.id}"
            response.headers["Preference-Applied"] = "respond-async"
            return begun
        known = {program.sha256 for program in control.programs()}
        view = await control.add_program(path, wanted)
    response.status_code = 200 if view.sha256 in known else 201
    response.headers["Location"] = f"/api/v1/programs/{view.sha256}"
    return view


@router.get("/{sha256}", responses=documented(404, 422))
async def read_program(sha256: _Sha256Path, control: ControlDep) -> ProgramDetail:
    """One program with its facts and a report for every profile."""
    return await control.program(sha256)


@router.post("/{sha256}/release", responses=documented(404, 409, 422, 507))
async def release_program(sha256: _Sha256Path, release: ReleaseRequest, control: ControlDep) -> ProgramView:
    """A named person answers for a trusted-only program: it may be given to printers from now on. The audit records it."""
    return await control.release_program(sha256, release)


@router.post("/{sha256}/withdraw", responses=documented(404, 409, 422, 507))
async def withdraw_program(sha256: _Sha256Path, request: SignedRequest, control: ControlDep) -> ProgramView:
    """Nobody answers for it any more: what was not started of it is taken back; what prints goes on."""
    return await control.withdraw_program(sha256, request)


@router.delete("/{sha256}", status_code=204, responses=documented(404, 409, 422, 507))
async def remove_program(
    sha256: _Sha256Path,
    control: ControlDep,
    by: Annotated[Name, Query()] = "operator",
    reason: Annotated[Reason, Query(max_length=500)] = "",
) -> None:
    """Forget a file that was uploaded by mistake; only while nothing was printed of it. It can be uploaded again, rightly."""
    await control.remove_program(sha256, SignedRequest(by=by, reason=reason))


def _whole_file(request: Request, size_bytes: int, etag: str) -> bool:
    """Whether to answer with the whole file: no Range, one that cannot be read, several at once, or If-Range of another file.

    Raises:
        RangeError: the one range begins behind the end (RFC 9110, 14.4).

    """
    match = _ONE_RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or request.headers.get("if-range", etag) != etag:
        return True
    first, last, suffix = match.groups()
    if first is not None and last and int(last) < int(first):
        return True
    if (int(first) >= size_bytes) if first is not None else int(suffix) == 0:
        raise RangeError(
            Bilingual(f"The file has {size_bytes} bytes.", f"Le fichier a {size_bytes} octets."),
            next_step=Bilingual("Fetch the whole file again.", "Téléchargez de nouveau tout le fichier."),
            headers={"Content-Range": f"bytes */{size_bytes}"},
        )
    return False


@router.get(
    "/{sha256}/file",
    response_class=FileResponse,
    responses={
        200: {"content": {"text/x-gcode": {"schema": {"type": "string", "format": "binary"}}}},
        206: {"description": "The part that Range asked for"},
        304: {"description": "Unchanged: the ETag is the SHA-256"},
        **documented(404, 416, 422),
    },
)
async def download_program(sha256: _Sha256Path, request: Request, control: ControlDep) -> Response:
    """The G-code itself. Nodes show their id and password as HTTP basic credentials."""
    path = control.program_file(sha256)
    names = (program.name for program in control.programs() if program.sha256 == sha256)
    return await program_file(path, sha256, request, name=download_name(next(names, ""), sha256))


def download_name(name: str, sha256: str) -> str:
    """How a browser should call the file: as people call the program, without what is special in paths; always `.gcode`."""
    kept = _NOT_IN_NAMES.sub("_", name.strip()).strip(" ._")
    stem = re.sub(r"(\.(gcode|bgcode|gco|g|gz|zst|ufp|3mf))+$", "", kept, flags=re.IGNORECASE)[:_MAX_NAME].rstrip(" .")
    return f"{stem or sha256}.gcode"


async def program_file(path: Any, sha256: str, request: Request, *, name: str = "") -> Response:
    """Answer with a file of the library, whole or the one range asked for; packed with zstd for who takes that (api.packing)."""
    wanted = takes_zstd(request.headers.get("accept-encoding", ""))
    packed = await request.app.state.packing.packed(path) if wanted else None
    stat = await asyncio.to_thread((packed or path).stat)
    # Each coding has its own: a range of one is no range of the other.
    etag = f'"{sha256}"' if packed is None else f'"{sha256}-zstd-{stat.st_size:x}-{stat.st_mtime_ns:x}"'
    headers = {"ETag": etag, "Cache-Control": "private, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if packed is not None:
        headers["Content-Encoding"] = "zstd"
    if _whole_file(request, stat.st_size, etag):
        request.scope["headers"] = [pair for pair in request.scope["headers"] if pair[0] != b"range"]
    filename = name or f"{sha256}.gcode"
    return FileResponse(packed or path, media_type="text/x-gcode", filename=filename, headers=headers, stat_result=stat)


@router.get(
    "/{sha256}/{picture}.png",
    response_class=FileResponse,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "Unchanged"},
        **documented(404, 422),
    },
)
async def program_picture(
    sha256: _Sha256Path, picture: Literal["preview", "thumbnail"], request: Request, control: ControlDep
) -> Response:
    """What it prints, as we draw it, or the slicer's own picture. Both were made here: no byte of a stranger is in them."""
    path = control.program_picture(sha256, picture)
    stat = await asyncio.to_thread(path.stat)
    etag = f'"{sha256[:16]}-{stat.st_mtime_ns:x}-{stat.st_size:x}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, max-age=300",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Disposition": "inline",
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return FileResponse(path, media_type="image/png", headers=headers, stat_result=stat)


@uploads_router.get("")
async def list_uploads(control: ControlDep) -> list[UploadView]:
    """Files that are being checked, and what came of the newest; newest first, without findings."""
    return control.uploads()


@uploads_router.get("/limits")
async def read_limits(request: Request) -> UploadLimits:
    """How large a file may be: a page says so before it sends one for minutes."""
    return UploadLimits(max_upload_bytes=request.app.state.settings.http.max_upload_bytes, at_once=MAX_UPLOADS)


@profiles_router.get("")
async def list_profiles(control: ControlDep) -> list[ProfileView]:
    """Classes of printers that programs can be for, by name, with the materials that they print."""
    return control.profiles()


@uploads_router.get("/{upload}", responses=documented(404))
async def read_upload(upload: str, control: ControlDep) -> UploadView:
    """How far an upload is, and at its end the program's hash, or the problem with all findings."""
    return control.upload(upload)
